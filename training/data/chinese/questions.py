"""Chinese: what moves nothing: quotes and questions."""

TEMPLATES = {
    "quote": """
        ={pay}现在多少钱
        ={pay}价格
        ={pay}什么价？
        ={amount_pay}{pay}值多少钱
        ={amount_pay}{pay}能换多少{get}
        =报个价：{amount_pay}{pay}换{get}
        ={pay}对{get}的汇率
        =只是问问，{amount_pay}{pay}可以换几个{get}
        =查一下{pay}的价格
        ~={pay}行情怎么样
        ~=要是拿{amount_pay}{pay}去换，会得到多少{get}
        ~=告诉我{pay}的市价
        =多少钱
        =现在什么价
        =报个价
        ~=行情如何
    """,
    "question.balance": """
        =我有多少{asset}
        =我的{asset}余额
        =查余额
        =钱包里还有{asset}吗
        =看看我在{chain}上有几个{asset}
        =余额是多少
        ~=手头剩多少{asset}
    """,
    "question.portfolio": """
        =看看我的投资组合
        =我有哪些资产
        =我的钱包里有什么
        =持仓情况
        =列出我在{chain}上的资产
        ~=把我全部的仓位总结一下
    """,
    "question.history": """
        =最近的交易记录
        =我昨天做了什么
        =查一下{asset}的转账记录
        =上次买{asset}是什么时候
        =历史交易
        ~=我近来动过哪些{asset}
    """,
    "question.health": """
        =我的健康因子是多少
        =我会被清算吗
        =我的借款安全吗
        =查健康因子
        ~=贷款离清算还有多远
    """,
    "question.gas": """
        =现在gas多少
        ={chain}的gas贵吗
        =手续费现在多少gwei
        =查一下gas价格
        ~=此刻上链费用高不高
    """,
    "question.yield": """
        ={asset}收益率多少
        ={asset}的最高年化
        =哪里存{asset}收益高
        ={asset}质押的利率
        =在{chain}上{asset}能赚多少
        ~=比较一下{asset}的各种收益
    """,
    "question.explain": """
        =什么是{term}
        ={term}是什么
        =解释一下{term}
        ={term}是什么意思
        ={term}怎么运作
        =我不懂{term}
        =简单说说{term}
        =给我讲讲{term}
        ~=一句话介绍{term}
        ~=关于{term}我该知道什么
    """,
}
