"""Chinese: what is put around a request: frames, small talk, chain, slippage."""

TEMPLATES = {
    "frame": """
        {core}
        {core}
        {core}
        <pls>{core}
        <pls>帮我{core}
        帮我{core}
        帮忙{core}
        我<want>{core}
        我<want>{core}，<thanks>
        能不能{core}
        能帮我{core}吗
        可以{core}吗？
        可不可以帮我{core}
        <soon>{core}
        {core}，<thanks>
        <hey>，{core}
        <hey>，帮我{core}
        <hey>，我<want>{core}
        给我{core}
        你去{core}
        ~我决定{core}
        ~有件事要你办：{core}
        ~<hey>，<pls>{core}
        ~是时候{core}了
        ~<soon>替我{core}，<thanks>
    """,
    "before": """
        刚发了工资，
        行情不太好，
        想了一天了，
        不知道时机对不对，
        朋友推荐的，
        今天手续费低，
        早上看到{asset}是{number}，
        我是新手，
        ~忙了一个星期，
        ~思来想去，
    """,
    "after": """
        ，好了告诉我
        ，急
        ，不急
        🙏
        🚀
        ，就这样
        ，别再问我了
        ，哈哈
        ~，趁我没反悔
        ~，今天就到这儿
    """,
    "chain": """
        在{chain}上
        在{chain}上
        在{chain}链上
        在{chain}网络
        ~走{chain}
    """,
    "slippage": """
        ，<slippage>{slippage}
        ，<slippage>不超过{slippage}
        ，<slippage>最多{slippage}
        ~，容忍{slippage}的<slippage>
    """,
}
