"""Chinese: when an automation acts, on what conditions and how often."""

TEMPLATES = {
    "price.below": """
        {asset}<below>{value_usd}
        {asset}价格<below>{value_usd}
        {asset}的价格<below>{value_usd}
        ~{asset}比{value_usd}便宜
        {asset}掉到{value_usd}以下
        {asset}跌到{value_usd}
        {asset}跌到{value_usd}下面
        {asset}价格掉到{value_usd}
        {asset}报价<below>{value_usd}
        {asset}单价<below>{value_usd}
        {asset}的币价<below>{value_usd}
        一个{asset}的价格<below>{value_usd}
        {asset}现价在{value_usd}以下
        {asset}跌回{value_usd}
        {asset}回调到{value_usd}
        {asset}失守{value_usd}
        {asset}下探到{value_usd}
        {asset}被砸到{value_usd}以下
        {asset}降到{value_usd}
        {asset}价格降到{value_usd}以内
        {asset}守不住{value_usd}
        {asset}的价格不到{value_usd}
        {asset}连{value_usd}都不值了
        {asset}每枚<below>{value_usd}
        市场上{asset}的报价<below>{value_usd}
        {asset}兑美元<below>{value_usd}
        {asset}的行情掉到{value_usd}以下
        {asset}的美元价<below>{value_usd}
        {asset}价格崩到{value_usd}以下
        {asset}一个只要{value_usd}
        {asset}价格往下穿过{value_usd}
    """,
    "price.above": """
        {asset}<above>{value_usd}
        {asset}价格<above>{value_usd}
        {asset}的价格<above>{value_usd}
        ~{asset}比{value_usd}贵
        {asset}涨到{value_usd}
        {asset}涨到{value_usd}以上
        {asset}价格冲上{value_usd}
        {asset}报价<above>{value_usd}
        {asset}单价<above>{value_usd}
        {asset}的币价<above>{value_usd}
        一个{asset}的价格<above>{value_usd}
        {asset}现价在{value_usd}以上
        {asset}站上{value_usd}
        {asset}冲破{value_usd}
        {asset}越过{value_usd}
        {asset}升到{value_usd}
        {asset}涨回{value_usd}
        {asset}反弹到{value_usd}
        {asset}价格升到{value_usd}以上
        {asset}能卖到{value_usd}
        {asset}值{value_usd}以上
        {asset}的价格过了{value_usd}
        {asset}每枚<above>{value_usd}
        市场上{asset}的报价<above>{value_usd}
        {asset}兑美元<above>{value_usd}
        {asset}的价格不低于{value_usd}
        {asset}的行情冲到{value_usd}以上
        {asset}的美元价<above>{value_usd}
        {asset}价格飞到{value_usd}以上
        {asset}一个要{value_usd}以上
        {asset}价格往上穿过{value_usd}
        {asset}收在{value_usd}之上
    """,
    "price.down": """
        {asset}<falls>{value_percent}
        {asset}价格<falls>{value_percent}
        ~{asset}少了{value_percent}的价值
        {asset}的价格<falls>{value_percent}
        {asset}从现在起<falls>{value_percent}
        {asset}币价<falls>{value_percent}
        {asset}跌幅达到{value_percent}
        {asset}跌幅超过{value_percent}
        {asset}跌掉{value_percent}
        {asset}跌去{value_percent}
        {asset}跌够{value_percent}
        {asset}掉了{value_percent}
        {asset}下降{value_percent}
        {asset}回撤{value_percent}
        {asset}回调{value_percent}
        {asset}往下走{value_percent}
        {asset}比现在跌{value_percent}
        {asset}比现价低{value_percent}
        {asset}的价格打掉{value_percent}
        {asset}贬值{value_percent}
        {asset}价格跌了有{value_percent}
        {asset}相对现在跌{value_percent}
        {asset}价格下调{value_percent}
        {asset}价格减{value_percent}
        {asset}从现价往下掉{value_percent}
        {asset}价格缩{value_percent}
        {asset}的跌幅有{value_percent}
        {asset}损失{value_percent}的币价
        {asset}砸下来{value_percent}
    """,
    "price.up": """
        {asset}<rises>{value_percent}
        {asset}价格<rises>{value_percent}
        ~{asset}多了{value_percent}的价值
        {asset}的价格<rises>{value_percent}
        {asset}从现在起<rises>{value_percent}
        {asset}币价<rises>{value_percent}
        {asset}涨幅达到{value_percent}
        {asset}涨幅超过{value_percent}
        {asset}涨够{value_percent}
        {asset}涨上{value_percent}
        {asset}往上走{value_percent}
        {asset}上升{value_percent}
        {asset}升值{value_percent}
        {asset}反弹{value_percent}
        {asset}比现在涨{value_percent}
        {asset}比现价高{value_percent}
        {asset}价格提高{value_percent}
        {asset}价格增加{value_percent}
        {asset}赚到{value_percent}的涨幅
        {asset}相对现在涨{value_percent}
        {asset}一路涨了{value_percent}
        {asset}价格上调{value_percent}
        {asset}价格加{value_percent}
        {asset}从现价往上涨{value_percent}
        {asset}的涨幅有{value_percent}
        {asset}增值{value_percent}
        {asset}价格多出{value_percent}
    """,
    "balance.below": """
        我的{asset}余额<below>{value}
        我的{asset}少于{value}个
        钱包里{asset}<below>{value}
        ~手上{asset}没有{value}个了
        我的{asset}<below>{value}个
        钱包里的{asset}不到{value}个
        我账户里{asset}<below>{value}
        我剩下的{asset}<below>{value}个
        我持有的{asset}<below>{value}
        我手里{asset}只剩{value}个以下
        {asset}余额<below>{value}
        {asset}余额降到{value}以下
        我的{asset}用到只剩不到{value}
        账上{asset}少于{value}
        {asset}的持有量<below>{value}
        我的{asset}数量<below>{value}
        钱包{asset}余额掉到{value}以下
        我的{asset}花得剩不到{value}个
        我{asset}的存货<below>{value}
        地址里的{asset}少于{value}个
        我这边{asset}余额不到{value}
        我的{asset}库存<below>{value}
        我的钱包里只有不到{value}个{asset}
        我只剩{value}个以下的{asset}
    """,
    "balance.above": """
        我的{asset}余额<above>{value}
        我的{asset}多于{value}个
        钱包里{asset}<above>{value}
        ~手上{asset}有{value}个以上
        我的{asset}<above>{value}个
        钱包里的{asset}多过{value}个
        我账户里{asset}<above>{value}
        我攒的{asset}<above>{value}个
        我持有的{asset}<above>{value}
        我手里的{asset}多于{value}个
        {asset}余额<above>{value}
        {asset}余额涨到{value}以上
        我的{asset}攒到{value}个
        账上{asset}多于{value}
        {asset}的持有量<above>{value}
        我的{asset}数量<above>{value}
        钱包{asset}余额到了{value}以上
        我的{asset}凑够{value}个
        我{asset}的存货<above>{value}
        地址里的{asset}多于{value}个
        我这边{asset}余额过了{value}
        我的{asset}积累到{value}以上
        我的钱包里有超过{value}个{asset}
        我有了{value}个以上的{asset}
    """,
    "gas.below": """
        gas<below>{value} gwei
        gas价格<below>{value} gwei
        手续费<below>{value} gwei
        ~gas便宜过{value} gwei
        gas<below>{value}
        gas费<below>{value} gwei
        gas降到{value} gwei
        gas降到{value} gwei以下
        gas掉到{value} gwei以内
        gas回到{value} gwei以下
        gas price<below>{value} gwei
        手续费降到{value} gwei
        链上手续费<below>{value} gwei
        网络费<below>{value} gwei
        矿工费<below>{value} gwei
        燃料费<below>{value} gwei
        gas在{value} gwei以内
        gas少于{value} gwei
        基础费用<below>{value} gwei
        链上不堵，gas<below>{value} gwei
        gas跌到{value} gwei
        每单位gas不到{value} gwei
        gas只要不到{value} gwei
        链上不忙、gas在{value} gwei以下
    """,
    "gas.above": """
        gas<above>{value} gwei
        gas价格<above>{value} gwei
        ~gas贵过{value} gwei
        gas<above>{value}
        gas费<above>{value} gwei
        gas涨到{value} gwei
        gas涨到{value} gwei以上
        gas飙到{value} gwei
        gas冲上{value} gwei
        gas price<above>{value} gwei
        手续费<above>{value} gwei
        手续费涨到{value} gwei
        链上手续费<above>{value} gwei
        网络费<above>{value} gwei
        矿工费<above>{value} gwei
        燃料费<above>{value} gwei
        gas多于{value} gwei
        基础费用<above>{value} gwei
        链上很堵，gas<above>{value} gwei
        gas升到{value} gwei
        每单位gas过了{value} gwei
        gas要{value} gwei以上
        链上太忙、gas在{value} gwei以上
    """,
    "health.below": """
        健康因子<below>{value}
        我的健康因子<below>{value}
        我在{venue}的健康因子<below>{value}
        ~{venue}借款的健康因子不到{value}
        我的健康度<below>{value}
        健康系数<below>{value}
        健康因子掉到{value}
        健康因子降到{value}以下
        健康因子跌到{value}以下
        贷款的健康因子<below>{value}
        我贷款的健康度掉到{value}以下
        我仓位的健康因子<below>{value}
        {venue}上的健康因子<below>{value}
        {venue}仓位的健康因子降到{value}
        {venue}的健康度<below>{value}
        我在{venue}的健康系数<below>{value}
        我在{venue}的债务健康因子<below>{value}
        {venue}里我的健康因子掉到{value}以下
        health factor<below>{value}
        {venue}的health factor<below>{value}
        抵押仓位的健康因子<below>{value}
    """,
    "health.above": """
        健康因子<above>{value}
        我在{venue}的健康因子<above>{value}
        ~{venue}借款的健康因子好过{value}
        我的健康因子<above>{value}
        我的健康度<above>{value}
        健康系数<above>{value}
        健康因子涨到{value}
        健康因子回到{value}以上
        健康因子升到{value}以上
        贷款的健康因子<above>{value}
        我贷款的健康度回到{value}以上
        我仓位的健康因子<above>{value}
        {venue}上的健康因子<above>{value}
        {venue}仓位的健康因子恢复到{value}
        {venue}的健康度<above>{value}
        我在{venue}的健康系数<above>{value}
        我在{venue}的债务健康因子<above>{value}
        {venue}里我的健康因子升到{value}以上
        health factor<above>{value}
        {venue}的health factor<above>{value}
        抵押仓位的健康因子<above>{value}
    """,
    "event": """
        {source}发出{event}事件
        {source}触发{event}事件
        {source}上出现{event}事件
        ~从{source}来了{event}事件
        {source}那边有{event}事件
        {source}合约发出{event}
        {source}合约触发了{event}
        监听到{source}的{event}事件
        收到{source}的{event}事件
        看到{source}合约的{event}事件
        {source}抛出{event}
        {source}产生{event}日志
        {source}广播{event}事件
        {source}发生{event}
        链上出现{source}的{event}事件
        {source}的合约里冒出{event}事件
        {source}有{event}这个event
        检测到{source}发出的{event}
        {source}合约日志里出现{event}
        {source}触发{event}
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
        每{every}一次
        每{every}执行一次
        每{every}定时
        每{every}做一回
        以后每{every}
        今后每{every}
        往后每{every}
        从今天起每{every}
        从现在开始每{every}
        按每{every}一次的频率
        以每{every}一次的节奏
        每{every}的{at}
        每{every}在{at}
        每{every}到{at}
        每{every}{at}准时
        今后每{every}{at}
        {at}，每{every}
        每{every}一次，时间是{at}
        每个{day}
        每个{day}{at}
        每个{day}的{at}
        每周的{day}
        每周的{day}{at}
        每到{day}
        每到{day}{at}
        以后每{day}
        以后每{day}{at}
        往后每个{day}的{at}
        从这周起每{day}
        从下周开始每个{day}{at}
        每{day}的{at}准时
        每周一次，{day}{at}
        每周一次，都在{day}
        每{day}一次
    """,
    "date": """
        在{date}
        {date}的{at}
        到{date}
        ~{date}那天{at}
        {date}
        {date}当天
        {date}这一天
        等到{date}
        到了{date}
        于{date}
        在{date}当天
        在{date}的{at}
        {date}的{at}
        到{date}的{at}
        到了{date}的{at}
        等到{date}的{at}
        于{date}，{at}
        {date}当日{at}
        {date}，{at}
        定在{date}
        定在{date}的{at}
        时间一到{date}
        只在{date}
        {date}准时
    """,
    "given": """
        ，但只有{condition}才行
        ，前提是{condition}
        ，并且{condition}
        ~，附带条件是{condition}
        ，但要{condition}
        ，而且得{condition}
        ，且{condition}
        ，同时要求{condition}
        ，只在{condition}的时候做
        ，仅限{condition}时
        ，条件：{condition}
        （条件是{condition}）
        ，不过必须{condition}
        ，{condition}才执行
        ，当时必须{condition}
        ，要满足{condition}
        ，还得{condition}
        ，另外要{condition}
        ，在{condition}的情况下才做
        ，只有{condition}才动手，否则跳过
        ，执行前先确认{condition}
        ，另一个前提：{condition}
        ，如果那时{condition}的话
        ，当然得是{condition}的时候
        ，前提：{condition}
        ，只要当时{condition}
        ，且同时满足{condition}
    """,
    "limit.runs": """
        ，最多{runs}次
        ，一共{runs}次
        ~，做满{runs}次为止
        ，总共做{runs}次
        ，做{runs}次就停
        ，限{runs}次
        ，只做{runs}次
        ，重复{runs}次
        ，执行{runs}次后结束
        ，次数上限{runs}
        ，次数不超过{runs}
        ，最多触发{runs}次
        ，{runs}次封顶
        ，别超过{runs}次
        ，跑{runs}次就够了
        ，总计{runs}回
        ，{runs}次之后自动关掉
        ，连续执行{runs}次然后停
        （共{runs}次）
        ，总次数{runs}
        ，够{runs}次就收
    """,
    "limit.total": """
        ，总共不超过{total}
        ，总额上限{total}
        ~，用完{total}就停
        ，总共最多花{total}
        ，累计不超过{total}
        ，预算{total}
        ，总预算是{total}
        ，累计到{total}停止
        ，合计上限{total}
        ，总额控制在{total}以内
        ，总金额别超过{total}
        ，封顶{total}
        ，一共只许动用{total}
        ，总支出限{total}
        ，全部加起来不超过{total}
        ，总计{total}封顶
        ，最多一共投{total}
        ，累计花费的上限是{total}
        （总额度{total}）
        ，总花费{total}以内
        ，钱最多用{total}
    """,
    "limit.until": """
        ，直到{until}
        ，{until}停止
        ~，{until}以后不再做
        ，到{until}为止
        ，截止到{until}
        ，截止日期{until}
        ，持续到{until}
        ，一直做到{until}
        ，有效期到{until}
        ，{until}结束
        ，{until}到期
        ，{until}自动关掉
        ，最晚到{until}
        ，期限是{until}
        ，终止日{until}
        ，结束时间：{until}
        ，{until}之前有效
        ，{until}一到就关
        ，执行到{until}那一天
        ，在{until}前一直有效
        ，{until}关闭
    """,
    "limit.gas": """
        ，gas不超过{gas} gwei
        ，gas上限{gas} gwei
        ~，gas贵于{gas} gwei就跳过
        ，gas最多{gas} gwei
        ，gas费最高{gas} gwei
        ，gas要在{gas} gwei以内
        ，gas别超过{gas} gwei
        ，gas封顶{gas} gwei
        ，gas控制在{gas} gwei以下
        ，手续费别超过{gas} gwei
        ，链上费用上限{gas} gwei
        ，我最多付{gas} gwei的gas
        ，gas超出{gas} gwei时先等等
        ，gas price不能高于{gas} gwei
        ，矿工费不超过{gas} gwei
        ，网络费最多给到{gas} gwei
        （gas上限{gas} gwei）
        ，gas费{gas} gwei以内才行
        ，gas顶多{gas} gwei
    """,
}
