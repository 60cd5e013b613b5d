"""Chinese: when an automation acts, on what conditions and how often."""

TEMPLATES = {
    "price.below": """
        {asset}<below>{value_usd}
        {asset}价格<below>{value_usd}
        {asset}的价格<below>{value_usd}
        ~{asset}比{value_usd}便宜
    """,
    "price.above": """
        {asset}<above>{value_usd}
        {asset}价格<above>{value_usd}
        {asset}的价格<above>{value_usd}
        ~{asset}比{value_usd}贵
    """,
    "price.down": """
        {asset}<falls>{value_percent}
        {asset}价格<falls>{value_percent}
        ~{asset}少了{value_percent}的价值
    """,
    "price.up": """
        {asset}<rises>{value_percent}
        {asset}价格<rises>{value_percent}
        ~{asset}多了{value_percent}的价值
    """,
    "balance.below": """
        我的{asset}余额<below>{value}
        我的{asset}少于{value}个
        钱包里{asset}<below>{value}
        ~手上{asset}没有{value}个了
    """,
    "balance.above": """
        我的{asset}余额<above>{value}
        我的{asset}多于{value}个
        钱包里{asset}<above>{value}
        ~手上{asset}有{value}个以上
    """,
    "gas.below": """
        gas<below>{value} gwei
        gas价格<below>{value} gwei
        手续费<below>{value} gwei
        ~gas便宜过{value} gwei
    """,
    "gas.above": """
        gas<above>{value} gwei
        gas价格<above>{value} gwei
        ~gas贵过{value} gwei
    """,
    "health.below": """
        健康因子<below>{value}
        我的健康因子<below>{value}
        我在{venue}的健康因子<below>{value}
        ~{venue}借款的健康因子不到{value}
    """,
    "health.above": """
        健康因子<above>{value}
        我在{venue}的健康因子<above>{value}
        ~{venue}借款的健康因子好过{value}
    """,
    "event": """
        {source}发出{event}事件
        {source}触发{event}事件
        {source}上出现{event}事件
        ~从{source}来了{event}事件
    """,
    "time": """
        每{every}
        每{every}
        每{every}{at}
        每{day}
        每{day}{at}
        每到{day}的{at}
        ~逢{day}
        ~逢{day}{at}
    """,
    "date": """
        在{date}
        {date}{at}
        到{date}
        ~{date}那天{at}
    """,
    "given": """
        ，但只有{condition}才行
        ，前提是{condition}
        ，并且{condition}
        ~，附带条件是{condition}
    """,
    "limit.runs": """
        ，最多{runs}次
        ，一共{runs}次
        ~，做满{runs}次为止
    """,
    "limit.total": """
        ，总共不超过{total}
        ，总额上限{total}
        ~，用完{total}就停
    """,
    "limit.until": """
        ，直到{until}
        ，{until}停止
        ~，{until}以后不再做
    """,
    "limit.gas": """
        ，gas不超过{gas} gwei
        ，gas上限{gas} gwei
        ~，gas贵于{gas} gwei就跳过
    """,
}
