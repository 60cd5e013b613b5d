"""English: what is put around a request: frames, small talk, chain, slippage."""

TEMPLATES = {
    "frame": """
        {core}
        {core}
        {core}
        {core} <pls>
        <pls> {core}
        {core}, <thanks>
        {core} <soon>
        can you {core}
        could you {core}?
        could you please {core}
        i <want> to {core}
        i want you to {core}
        i'd like to {core}
        i need to {core}
        help me {core}
        let's {core}
        go {core}
        time to {core}
        would you mind helping me {core}?
        i was wondering if you could {core}
        my plan is to {core}
        <hey>, {core}
        <hey> {core} <pls>
        <hey>, can you {core}
        <hey>, i want to {core}. <thanks>
        ~it would be great if you could {core}
        ~i have decided to {core}
        ~what i have in mind is to {core}
        ~your task is to {core}
        ~<hey>, {core}, <thanks>
        ~{core} for me, <pls>
        ~<pls>, {core} <soon>
    """,
    "before": """
        i just got paid.
        market looks shaky.
        ok here's the thing.
        been thinking about this all day.
        not sure if it's a good time, but
        my friend told me about this.
        fees are low today, so
        sorry for the late message.
        i saw {asset} at ${number} this morning.
        it's rainy outside.
        lol
        quick request:
        new here, so be patient.
        ~after a long week:
        ~my accountant says so, hence
        ~no idea why i waited with this.
    """,
    "after": """
        and tell me when it's done
        don't ask me again
        it's urgent
        take your time
        🙏
        🚀🚀
        lol
        i trust you
        that's all
        no rush
        ~and that will be it for today
        ~before i change my mind
    """,
    "chain": """
        on {chain}
        on {chain}
        on the {chain} network
        over {chain}
        , chain: {chain}
        ~through {chain}
        ~, and do it on {chain}
    """,
    "slippage": """
        with {slippage} <slippage>
        , <slippage> {slippage}
        with max {slippage} slippage
        , slippage at most {slippage}
        and no more than {slippage} slippage
        ~, tolerating {slippage} of slippage
        ~and cap the <slippage> at {slippage}
    """,
}
