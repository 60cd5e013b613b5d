"""Chinese: a portfolio to look after, and the short replies to what was asked back."""

TEMPLATES = {
    "mandate": """
        <manage>我的<portfolio>，{risk}风险，期限{horizon}
        以{risk}风险<manage>我的<portfolio>{horizon}
        <manage>我的<portfolio>：{risk}风险，{horizon}，保留{liquid}流动资金
        用{amount}{asset}投资{horizon}，{risk}风险
        帮我投资{horizon}，{risk}风险，不要{exclude}，随时能用{liquid}
        <manage>我的<portfolio>，{risk}风险，{horizon}，不碰{exclude}
        =委托：风险{risk}，期限{horizon}，留{liquid}，排除{exclude}
        =这笔钱{horizon}不用，{risk}风险，<manage>我的<portfolio>
        ~让我的<portfolio>在{horizon}内按{risk}风险增值
        ~=按{risk}风险替我理财，为期{horizon}，避开{exclude}
        <manage>我的<portfolio>
        <manage>我的<portfolio>，{risk}风险
        <manage>我的<portfolio>{horizon}
        帮我投资{amount}{asset}
        ~让我的<portfolio>增值
        ~按{risk}风险替我理财
    """,
    "reply.amount": """
        {amount_bare}
        就{amount_bare}吧
        数量{amount_bare}
        ~那就算{amount_bare}
    """,
    "reply.asset": """
        {asset}
        是{asset}
        ~指的是{asset}
    """,
    "reply.other": """
        另一边是{other}
        和{other}
        ~搭{other}
    """,
    "reply.pay": """
        用{pay}
        拿{pay}付
        ~从{pay}里出
    """,
    "reply.get": """
        换{get}
        要{get}
        ~得到{get}
    """,
    "reply.to": """
        给{to}
        {to}
        转给{to}
        ~收的人是{to}
    """,
    "reply.vault": """
        {vault}
        {vault}金库
        放{vault}
        ~那个叫{vault}的
    """,
    "reply.risk": """
        {risk}风险
        风险{risk}
        ~风险嘛，{risk}
    """,
    "reply.horizon": """
        {horizon}
        期限{horizon}
        ~大概{horizon}
    """,
}
