"""English: a portfolio to look after, and the short replies to what was asked back."""

TEMPLATES = {
    "mandate": """
        <manage> my <portfolio> with {risk} risk for {horizon}
        <manage> my <portfolio>: {risk} risk, horizon {horizon}, keep {liquid} liquid
        <manage> {amount} {asset} with {risk} risk over {horizon}
        <manage> my <portfolio>, {risk} risk, {horizon}, no {exclude}
        invest {amount} {asset} for {horizon}, {risk} risk
        invest for me, {risk} risk, {horizon}, never touch {exclude}, keep {liquid} at hand
        set up a {risk} risk <portfolio> for {horizon} without {exclude}
        be my portfolio manager: {risk} risk, {horizon}
        =mandate: risk {risk}, horizon {horizon}, {liquid} liquid, exclude {exclude}
        =i'm a {risk} risk investor and won't need the money for {horizon}, <manage> my <portfolio>
        =i want to be able to reach {liquid} any time, otherwise {risk} risk for {horizon}; <manage> it
        ~grow my <portfolio> over {horizon} at {risk} risk
        ~treat my <portfolio> as {risk} risk money for {horizon}, leaving out {exclude}
        ~=for {horizon} you <manage> {amount} {asset}, {risk} risk, {liquid} stays available
        <manage> my <portfolio>
        <manage> my <portfolio> with {risk} risk
        <manage> my <portfolio> for {horizon}
        invest {amount} {asset} for me
        invest my money, {risk} risk
        be my portfolio manager for {horizon}
        ~grow my <portfolio>
        ~grow my <portfolio> over {horizon}
        ~treat my <portfolio> as {risk} risk money
    """,
    "reply.amount": """
        {amount_bare}
        make it {amount_bare}
        {amount_bare} please
        i meant {amount_bare}
        ~let's say {amount_bare}
    """,
    "reply.asset": """
        {asset}
        the {asset}
        i mean {asset}
        ~of {asset}
    """,
    "reply.other": """
        with {other}
        {other} on the other side
        ~and {other}
    """,
    "reply.pay": """
        pay with {pay}
        from {pay}
        use my {pay}
        ~take it from {pay}
    """,
    "reply.get": """
        to {get}
        i want {get}
        for {get}
        ~make it {get}
    """,
    "reply.to": """
        to {to}
        send it to {to}
        {to}
        ~it goes to {to}
    """,
    "reply.vault": """
        {vault}
        the {vault} vault
        into {vault}
        ~that would be {vault}
    """,
    "reply.risk": """
        {risk} risk
        {risk}
        ~rather {risk}
    """,
    "reply.horizon": """
        {horizon}
        for {horizon}
        ~about {horizon}
    """,
}
