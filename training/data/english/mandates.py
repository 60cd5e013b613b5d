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
        <manage> my <portfolio> for {horizon} at {risk} risk
        <manage> my <portfolio> over the next {horizon}, risk {risk}
        <manage> my <portfolio>. risk: {risk}. horizon: {horizon}
        <manage> my <portfolio> for {horizon}, go {risk} on risk
        <manage> my <portfolio> with a {risk} risk profile and a horizon of {horizon}
        <manage> my <portfolio> for me: {horizon}, {risk} risk, without {exclude}
        <manage> my <portfolio>, {horizon} horizon, {risk} risk, and leave {liquid} available
        <manage> everything with {risk} risk, {horizon}, no {exclude} please
        <manage> {amount} {asset} for {horizon}, risk level {risk}
        <manage> {amount} {asset}: {risk} risk, {horizon}, {liquid} must stay liquid
        invest {amount} {asset} with {risk} risk, time frame {horizon}
        invest {amount} {asset} over {horizon}, {risk} risk, but not in {exclude}
        invest my savings for {horizon} with {risk} risk
        invest my money {horizon} long at {risk} risk
        invest for {horizon}, {risk} risk, {liquid} always at hand
        invest what i have, {risk} risk, {horizon}, avoid {exclude}
        put together a {risk} risk portfolio for the next {horizon}
        put my money to work for {horizon} with {risk} risk
        build me a {risk} risk portfolio, horizon {horizon}
        build a portfolio out of {amount} {asset}: {risk} risk, {horizon}
        create a {risk} risk plan for my <portfolio> over {horizon}
        start a mandate: {risk} risk for {horizon}
        start a {risk} risk mandate over {horizon} with {amount} {asset}
        set up a mandate for {amount} {asset}, {risk} risk, {horizon}
        open a mandate with {risk} risk and horizon {horizon}, excluding {exclude}
        run a {risk} risk strategy with my <portfolio> for {horizon}
        run my money for {horizon}, {risk} risk, {exclude} is off limits
        act as my asset manager: {risk} risk, {horizon}
        act as my fund manager for {horizon} with {risk} risk
        take over my <portfolio> for {horizon}, {risk} risk
        take {amount} {asset} and <manage> it for {horizon} with {risk} risk
        allocate my <portfolio> for {horizon}, {risk} risk, keep {liquid} in reach
        allocate {amount} {asset} for {horizon} at a {risk} risk level
        optimise my <portfolio> for {risk} risk over {horizon}
        keep my <portfolio> at {risk} risk for {horizon}
        make my <portfolio> work for me, {risk} risk, {horizon}
        make the most of {amount} {asset} in {horizon} with {risk} risk
        rebalance my <portfolio> as needed for {horizon}, {risk} risk
        be my wealth manager, {horizon}, {risk} risk, never buy {exclude}
        handle my investments: risk {risk}, time {horizon}, reserve {liquid}
        =risk {risk}, horizon {horizon}, <manage> it
        =risk: {risk}, horizon: {horizon}. <manage> my <portfolio>
        ={risk} risk, {horizon}, <manage> my <portfolio>
        ={horizon}, {risk} risk, {liquid} liquid, you <manage> it
        =mandate: {risk} risk, {horizon}
        =mandate over {horizon}, {risk} risk, without {exclude}
        =mandate for {amount} {asset}: {risk} risk, {horizon}
        =portfolio mandate, {risk} risk, {horizon}, reserve {liquid}, avoid {exclude}
        =my risk appetite is {risk}, my horizon is {horizon}, please <manage> my <portfolio>
        =my risk tolerance is {risk} and i can wait {horizon}, <manage> my money
        =my <portfolio> needs a manager for {horizon}, {risk} risk
        =my money can stay invested for {horizon}, {risk} risk, please <manage> it
        =my profile: {risk} risk, {horizon}. invest my <portfolio>
        =i can lock my money away for {horizon}, {risk} risk is fine, <manage> it
        =i don't need the money for {horizon}, <manage> it with {risk} risk
        =i don't need {amount} {asset} for {horizon}. invest it, {risk} risk
        =i want you to be in charge of my <portfolio> for {horizon}, {risk} risk
        =i want a {risk} risk portfolio for {horizon}, nothing in {exclude}
        =i want {risk} risk over {horizon}, <manage> my <portfolio> accordingly
        =i prefer {risk} risk. horizon {horizon}. <manage> my <portfolio> please
        =i'm saving for a house in {horizon}, {risk} risk, <manage> my <portfolio>
        =i'm retiring in {horizon}: <manage> my <portfolio> with {risk} risk
        =i'm fine with {risk} risk for {horizon}, invest my <portfolio>
        =i have {amount_pay} {asset} to invest for {horizon}, {risk} risk, <manage> it
        =i have no time for this. <manage> my <portfolio> for {horizon} with {risk} risk
        =we'd like our treasury managed: {risk} risk, {horizon}, {liquid} liquid
        =our dao needs someone to <manage> the funds, {risk} risk, {horizon}, no {exclude}
        =for the next {horizon} please <manage> my <portfolio> with {risk} risk
        =for {horizon}: {risk} risk, keep {liquid} free, stay away from {exclude}, <manage> my <portfolio>
        =over {horizon} my <portfolio> should be run with {risk} risk
        =can i hand you my <portfolio> for {horizon}, {risk} risk
        =please be careful with my money: no {exclude}; risk {risk}, horizon {horizon}, <manage> it
        =you're my portfolio manager now. {risk} risk, {horizon}, {liquid} on the side
        =long story short: {risk} risk, {horizon}, <manage> my <portfolio>
        <manage> my money
        <manage> my <portfolio> please, i have no time
        <manage> my <portfolio> and keep {liquid} liquid
        <manage> my <portfolio> without {exclude}
        <manage> my <portfolio>, nothing in {exclude}, {risk} risk
        <manage> my <portfolio>, {horizon}, no {exclude}
        <manage> {amount} {asset}
        <manage> {amount} {asset} with {risk} risk
        <manage> {amount} {asset} over {horizon}
        invest my money
        invest my savings for {horizon}
        invest {amount} {asset} for {horizon}
        invest {amount} {asset} at {risk} risk
        build me a portfolio
        build me a {risk} risk portfolio
        build a portfolio for {horizon}
        put together a portfolio for me
        start a mandate
        start a mandate over {horizon}
        start a {risk} risk mandate
        open a mandate without {exclude}
        set up a mandate for {amount} {asset}
        act as my asset manager
        act as my fund manager, {risk} risk
        take over my <portfolio>
        take over my <portfolio> for {horizon}
        allocate my <portfolio> for {horizon}
        be my wealth manager
        optimise my <portfolio>
        handle my investments, keep {liquid} available
        =mandate please
        =mandate: {risk} risk
        =mandate: {horizon}
        =risk {risk}, please <manage> my <portfolio>
        =my <portfolio> needs a manager
        =i want someone to <manage> my <portfolio>, {risk} risk
        =i don't need the money for {horizon}, <manage> it
        =i have {amount_pay} {asset}, <manage> it for me
        =you're my portfolio manager now
    """,
    "reply.amount": """
        {amount_bare}
        make it {amount_bare}
        {amount_bare} please
        i meant {amount_bare}
        ~let's say {amount_bare}
        {amount_bare}, please
        just {amount_bare}
        only {amount_bare}
        i'd say {amount_bare}
        i think {amount_bare}
        i want {amount_bare}
        take {amount_bare}
        use {amount_bare}
        do {amount_bare}
        go with {amount_bare}
        {amount_bare} will do
        {amount_bare} is fine
        {amount_bare} should be enough
        {amount_bare} then
        {amount_bare} i guess
        oh, {amount_bare}
        ok {amount_bare}
        hmm, {amount_bare}
        sorry, {amount_bare}
        amount: {amount_bare}
        amount {amount_bare}
        the amount is {amount_bare}
        {amount_bare} in total
        i was thinking of {amount_bare}
        how about {amount_bare}
        maybe {amount_bare}
        that's {amount_bare}
        {amount_bare} for now
    """,
    "reply.asset": """
        {asset}
        the {asset}
        i mean {asset}
        ~of {asset}
        my {asset}
        {asset} please
        {asset} of course
        {asset}, sorry
        it's {asset}
        it's about {asset}
        i meant {asset}
        i was talking about {asset}
        use {asset}
        in {asset}
        with {asset}
        the token is {asset}
        the asset is {asset}
        asset: {asset}
        token: {asset}
        {asset} i mean
        oh right, {asset}
        just {asset}
        take {asset}
        {asset}, what else
    """,
    "reply.other": """
        with {other}
        {other} on the other side
        ~and {other}
        {other}
        the other one is {other}
        the second one is {other}
        paired with {other}
        pair it with {other}
        against {other}
        the pool with {other}
        {other} as the second token
        other side: {other}
        together with {other}
        the {other} pool
        second token: {other}
        the pair is with {other}
        other token {other}
    """,
    "reply.pay": """
        pay with {pay}
        from {pay}
        use my {pay}
        ~take it from {pay}
        pay in {pay}
        paying with {pay}
        with {pay}
        with my {pay}
        using {pay}
        i pay in {pay}
        i'll pay with {pay}
        i want to pay with {pay}
        i want to give {pay}
        from my {pay}
        use {pay}
        spend {pay}
        sell {pay}
        sell my {pay}
        my {pay} pays for it
        paid in {pay}
        {pay} is what i give
        i have {pay} for that
        the one i pay with is {pay}
        pay token: {pay}
        in exchange for my {pay}
    """,
    "reply.get": """
        to {get}
        i want {get}
        for {get}
        ~make it {get}
        into {get}
        i want {get} for it
        i want to get {get}
        i'd like {get}
        give me {get}
        buy {get}
        to get {get}
        for some {get}
        get me {get}
        {get} is what i want
        i want to receive {get}
        i want to end up with {get}
        the one i want is {get}
        receive {get}
        target token: {get}
        change it to {get}
        swap it to {get}
        turn it into {get}
        {get} please, that's what i want to have
        i need {get}
    """,
    "reply.to": """
        to {to}
        send it to {to}
        {to}
        ~it goes to {to}
        to {to}, please
        to {to} of course
        send to {to}
        send them to {to}
        please send it to {to}
        it's for {to}
        for {to}
        {to} please
        {to} is the recipient
        {to} gets it
        {to} should get it
        the recipient is {to}
        recipient: {to}
        address: {to}
        the address is {to}
        i mean {to}
        i meant {to}
        sorry, to {to}
        pay {to}
    """,
    "reply.vault": """
        {vault}
        the {vault} vault
        into {vault}
        ~that would be {vault}
        {vault} please
        the {vault} one
        the one from {vault}
        the vault is {vault}
        vault: {vault}
        in {vault}
        in the {vault} vault
        i mean {vault}
        i meant the {vault} vault
        it's {vault}
        use {vault}
        use the {vault} vault
        take {vault}
        take the {vault} vault
        go with {vault}
        my {vault} vault
        it's the {vault} vault
        {vault}, of course
        sorry, {vault}
        {vault} vault
    """,
    "reply.risk": """
        {risk} risk
        {risk}
        ~rather {risk}
        risk: {risk}
        risk {risk}
        with {risk} risk
        {risk} risk please
        {risk} please
        i want {risk} risk
        i'd go with {risk} risk
        i'm a {risk} risk person
        make the risk {risk}
        my risk appetite is {risk}
        go with {risk}
        {risk} is fine
        {risk} i think
        something {risk}
        keep it {risk}
        {risk} risk is ok
    """,
    "reply.horizon": """
        {horizon}
        for {horizon}
        ~about {horizon}
        for the next {horizon}
        {horizon} please
        {horizon} i think
        {horizon} is fine
        {horizon} or so
        over {horizon}
        horizon {horizon}
        horizon: {horizon}
        my horizon is {horizon}
        i can wait {horizon}
        i don't need it for {horizon}
        let it run for {horizon}
        time frame: {horizon}
        make it {horizon}
        it can stay {horizon}
        for {horizon}, please
    """,
}
