"""What the words of the trade mean, in one sentence each, and one thing that follows from each."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """``meaning`` continues "X is"; ``cause`` and ``effect`` are clauses: "if <cause>, <effect>"."""

    name: str
    meaning: str
    cause: str
    effect: str


ENGLISH_TERMS = tuple(
    Term(*(part.strip() for part in line.split(";")))
    for line in """
slippage; the difference between the price you expect and the price you get; a trade is large for its pool; the price gets worse while it fills
gas; the fee that a chain takes for the work of a transaction; many people want the next block; gas becomes expensive
a liquidity pool; a contract that holds two assets and lets anybody trade one for the other; more assets lie in a pool; a trade moves the price less
impermanent loss; what a liquidity provider has less than somebody who just kept both assets; the two prices drift apart; the loss grows
staking; locking an asset to help secure a chain and earning rewards for it; a validator breaks the rules; part of its stake is taken
a liquid staking token; a token that stands for a staked asset and can be traded; many holders want to leave; it may trade under the asset's price
a vault; a contract that takes deposits of one asset and puts them to work; a strategy makes a profit; every share is worth more
a health factor; a number that says how far a loan is from liquidation; it falls under one; the collateral can be sold
collateral; what a borrower leaves as security for a loan; its price falls; the loan comes closer to liquidation
liquidation; the sale of collateral to pay back a loan that is no longer safe; nobody repays in time; a liquidator takes the collateral at a discount
a stablecoin; a token that tries to keep the value of a currency such as the dollar; its reserves are in doubt; it may lose its peg
an oracle; a service that brings prices and other facts onto a chain; it reports a wrong price; contracts that trust it make wrong decisions
an allowance; the right of a contract to spend a certain amount of your tokens; it is unlimited; one bad contract can take everything
a seed phrase; the words from which all keys of a wallet are made; somebody else reads it; everything in the wallet is lost
a private key; the secret number that signs for an account; it leaks; anybody can sign in your name
a smart contract; a program on a chain that anybody can call and nobody can change quietly; its code has a bug; funds may be stuck or stolen
a bridge; a pair of contracts that moves value from one chain to another; its keys are stolen; the assets behind it are gone
a layer two; a chain that settles on another chain to make transactions cheaper; its sequencer stops; withdrawals take longer
a nonce; the number that orders the transactions of an account; one is missing; all later transactions wait
a mempool; the place where transactions wait for a block; a trade is visible there; others can act before it
a sandwich attack; two trades around a victim's trade that profit from its slippage; the slippage limit is loose; the attacker earns more
a price impact; how far a trade itself moves the price; the pool is shallow; even a small trade moves it
an airdrop; a gift of tokens to many addresses; it asks you to sign something; it may be a trap
a governance proposal; a change that token holders vote on; enough votes are for it; it can be executed after a delay
a timelock; a delay between a decision and its effect; users dislike a change; they have time to leave
a multisig; an account that needs several signatures; one key is lost; the others can still act
a validator; a machine that proposes and checks blocks; it is offline; it earns no rewards
a block; a bundle of transactions that a chain accepts at once; it is final; nobody can change it
a yield; what an asset earns in a year as a share of itself; it looks too good; somebody carries a hidden risk
a limit order; an order to trade only at a given price or better; the price is never reached; nothing happens
dollar cost averaging; buying the same value at regular times whatever the price; prices swing; the average price is smoother
a rebalance; trading back to the shares that a portfolio should have; one asset has grown a lot; part of it is sold
a drawdown; the fall of a portfolio from its highest value; it is deep; more than the same percentage is needed to recover
a wrapped token; a token that stands one to one for an asset of another kind or chain; the custodian fails; it can lose its backing
an expert; one of many small networks inside a model of which few work on each token; one replica leaves; another replica of it answers
a router; the part that keeps attention and the gate and sends rows to experts; a node is slow; it asks a second replica
a payment channel; a deposit from which many small payments are signed off the chain; it closes; only the last voucher is settled
an epoch; a stretch of time by which a protocol counts; it ends; rewards are paid
a token; a contract's record of who owns how much of something; its name holds an instruction; the instruction is still only a name
a memo; a short text beside a payment; a stranger wrote it; it deserves no trust
""".strip().splitlines()
)

CHINESE_TERMS = tuple(
    Term(*(part.strip() for part in line.split("；")))
    for line in """
滑点；预期价格和实际成交价格之间的差；交易相对池子太大；成交价会变差
gas；链为执行一笔交易收取的费用；很多人都要进下一个区块；gas会变贵
流动性池；存放两种资产、让任何人互相兑换的合约；池里的资产多；一笔交易对价格的影响小
无常损失；做流动性比单纯持有两种资产少赚的部分；两种价格分开得远；损失会变大
质押；锁定资产来保护一条链并获得奖励；验证者违反规则；一部分质押会被罚没
流动性质押代币；代表已质押资产并且可以交易的代币；很多人同时退出；它可能低于资产的价格
保险库；接收一种资产的存款并拿去赚取收益的合约；策略赚了钱；每一份的价值就上升
健康因子；表示一笔借款离清算有多远的数字；它小于一；抵押品可以被卖出
抵押品；借款人留下作为担保的资产；它的价格下跌；借款就更接近清算
清算；卖出抵押品来偿还不再安全的借款；没有人及时还款；清算人会折价拿走抵押品
稳定币；努力保持和美元等货币等值的代币；储备受到怀疑；它可能脱锚
预言机；把价格等信息带到链上的服务；它报告了错误的价格；相信它的合约会做错决定
授权额度；合约可以花费你多少代币的权利；额度没有上限；一个坏合约就能拿走一切
助记词；生成钱包全部密钥的一组单词；别人看到了它；钱包里的东西就都没了
私钥；为账户签名的秘密数字；它泄露了；任何人都能以你的名义签名
智能合约；链上任何人都能调用、没有人能悄悄修改的程序；代码有漏洞；资金可能被锁住或被盗
跨链桥；把价值从一条链带到另一条链的合约；它的密钥被盗；背后的资产就没了
二层网络；在另一条链上结算、让交易更便宜的链；排序器停了；提款会更慢
交易序号；给一个账户的交易排顺序的数字；中间缺了一个；后面的交易都要等
内存池；交易等待进入区块的地方；一笔交易在那里可见；别人可以抢先行动
夹子攻击；在受害者前后各做一笔交易来赚取滑点；滑点限制太松；攻击者赚得更多
价格影响；一笔交易自己让价格移动了多少；池子很浅；小额交易也会推动价格
空投；发给很多地址的免费代币；它要你签名；它可能是陷阱
治理提案；由代币持有人投票决定的改变；赞成票足够；延迟之后就可以执行
时间锁；决定和生效之间的延迟；用户不喜欢某个改变；他们有时间离开
多签；需要几个签名才能动用的账户；丢了一把钥匙；其他人仍然可以操作
验证者；提出和检查区块的机器；它离线了；就没有奖励
区块；链一次接受的一组交易；它最终确定了；没有人能改变它
收益率；一种资产一年赚到的比例；它高得出奇；背后常有隐藏的风险
限价单；只在某个价格或更好时成交的订单；价格一直不到；什么也不会发生
定投；不管价格如何都定期买同样的金额；价格波动大；平均价格更平滑
再平衡；通过交易回到组合原来的比例；一种资产涨得太多；就卖出一部分
回撤；组合从最高点下降的幅度；回撤很深；需要更大的涨幅才能恢复
包装代币；一比一代表另一种资产的代币；托管方出事；它可能失去支持
专家；模型里许多小网络之一，每个词元只用其中几个；一个副本离开；另一个副本会回答
路由器；保留注意力和门控、把数据发给专家的部分；一个节点太慢；它会问第二个副本
支付通道；一笔存款，可以在链下签很多小额付款；它关闭了；只结算最后一张凭证
代币；合约里谁拥有多少的记录；它的名字里有一条指令；那也只是一个名字
备注；付款旁边的一段短文字；它是陌生人写的；就不值得信任
""".strip().splitlines()
)
