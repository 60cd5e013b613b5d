"""English: what moves nothing: quotes and questions."""

TEMPLATES = {
    "quote": """
        =what is the price of {pay}
        =price of {pay}?
        =how much is {pay} right now
        =what is {amount_pay} {pay} worth
        =how much {get} do i get for {amount_pay} {pay}
        =what would i get for {amount_pay} {pay} in {get}
        =quote {amount_pay} {pay} to {get}
        =how many {get} is {amount_pay} {pay}
        =what's {pay} trading at
        ={pay} price in {get}
        =give me a quote for {amount_pay} {pay} into {get}, don't trade
        =if i sold {amount_pay} {pay}, how much {get} would come out?
        =just checking the rate {pay}/{get}
        ~=tell me the <worth> of {pay}
        ~=rate for {amount_pay} {pay} against {get}?
        ~=what does {amount_pay} {pay} come to in {get}
        ~=where does {pay} stand today
        =what's the price?
        =how much is it worth
        =give me a quote
        ~=what is the current <worth>
    """,
    "question.balance": """
        =how much {asset} do i have
        =what's my {asset} balance
        =show my balance
        =do i have any {asset} left?
        =check my {asset} balance
        =balance of {asset}?
        =how many {asset} are in my wallet on {chain}
        ~=what amount of {asset} do i own
        ~=is there {asset} in my account
    """,
    "question.portfolio": """
        =show my portfolio
        =what do i own
        =what is in my wallet
        =give me an overview of my positions
        =how is my portfolio doing
        =list all my assets on {chain}
        ~=summarise my holdings
        ~=everything i own, in one list
    """,
    "question.history": """
        =show my last transactions
        =what did i do yesterday
        =list my recent transfers of {asset}
        =when did i last buy {asset}
        =transaction history
        =show what happened in my wallet on {chain}
        ~=what have i done with {asset} lately
        ~=past transactions, newest first
    """,
    "question.health": """
        =what is my health factor
        =am i close to liquidation
        =how safe is my loan
        =check my health factor on {chain}
        =is my borrow position at risk?
        ~=could my loan get liquidated
        ~=how healthy is my debt
    """,
    "question.gas": """
        =what is the gas price
        =how much is gas on {chain}
        =is gas cheap right now?
        =gas on {chain}?
        =current gas fees
        =how many gwei is gas
        ~=are transactions expensive on {chain} today
        ~=tell me today's gas price
    """,
    "question.yield": """
        =what yield does {asset} earn
        =best apy for {asset}?
        =where can i earn on {asset}
        =what's the apr on {asset} on {chain}
        =show staking yields for {asset}
        =which vault pays most for {asset}
        ~=how much interest would {asset} bring
        ~=compare yields for {asset}
    """,
    "question.explain": """
        =what is {term}
        =what's {term}?
        =explain {term}
        =explain {term} to me in simple words
        =what does {term} mean
        =how does {term} work
        =i don't understand {term}
        =tell me about {term}
        =eli5 {term}
        =can you define {term}
        ~=what should i know about {term}
        ~=help me make sense of {term}
        ~=describe {term} in a sentence
    """,
}
