"""English: what moves something: swap, liquidity, staking, vaults, transfer."""

TEMPLATES = {
    "swap": """
        <swap> {amount} {pay} <into> {get}
        <swap> {amount} {pay} <into> {get}
        <swap> {amount} {pay} and give me {get}
        <sell> {amount} {pay} for {get}
        <sell> {amount} {pay} and buy {get} with it
        <buy> {amount_get} {get} <with> {pay}
        <buy> {amount_get} {get}, pay in {pay}
        use {amount} {pay} to <buy> {get}
        spend {amount} {pay} on {get}
        take {amount} {pay} and make it {get}
        <swap> {pay} <into> {get}, {amount_bare}
        get {get} for {amount} {pay}
        <buy> {get} with {amount} {pay}
        <buy> {get} for {amount} {pay}
        do a <swap> from {pay} to {get}, amount {amount_bare}
        make a <swap>: {amount} {pay} -> {get}
        ={amount} {pay} to {get} <pls>
        ={amount} {pay} -> {get}
        =i have {pay} and i want {get}, <swap> {amount_bare}
        =i'd rather hold {get} than {pay}, so <swap> {amount_bare}
        =my {pay} should become {get}: {amount_bare}
        =need {amount_get} {get}, you can use my {pay}
        =can i get {amount_get} {get} for {pay}? do it
        ~move out of {pay} and into {get} with {amount_bare}
        ~<swap> {amount} {pay} so that i end up with {get}
        ~put {amount} {pay} into {get}
        ~trade away {amount} {pay}, i want {get} back
        ~=out of {pay}, into {get}: {amount_bare}
        ~=let {amount} {pay} become {get}
        ~<buy> exactly {amount_get} {get} and pay for it in {pay}
        <swap> {pay} <into> {get}
        <swap> my {pay} <into> {get}
        <buy> {amount_get} {get}
        <buy> {get}
        <sell> {amount} {pay}
        <sell> my {pay}
        <swap> {amount} {pay}
        <swap> {pay}
        buy me {get} with {pay}
        use {pay} to buy {get}
        ~get me out of {pay} and into {get}
        ~<sell> {amount} {pay} for me today
        ~=i could use {amount_get} {get}
        ~trade in my {pay}
    """,
    "add_liquidity": """
        <add> {amount} {asset} and {other_amount} {other} as <liquidity>
        <add> {amount} {asset} and {other_amount} {other} to the <pool>
        <add> {amount} {asset} to the {asset}/{other} <pool>
        <add> {amount} {asset} of liquidity to {asset}-{other}
        <add> {amount} {asset} into the {asset}/{other} <pool> on {venue}
        <add> liquidity on {venue}: {amount} {asset} and {other_amount} {other}
        lp {amount} {asset} with {other}
        lp {amount} {asset} against {other} on {venue}
        become an lp in {asset}/{other} with {amount} {asset}
        pool {amount} {asset} with {other_amount} {other}
        pair {amount} {asset} with {other} on {venue}
        =i want to earn fees in {asset}/{other}, <add> {amount} {asset}
        =liquidity for {asset}/{other}: {amount} {asset} and {other_amount} {other}
        ~join the {asset}/{other} <pool> with {amount} {asset}
        ~<add> {amount} {asset} plus {other_amount} {other} to the <pool> at {venue}
        ~make a market in {asset}/{other} with {amount} {asset}
        ~=the {asset}/{other} <pool> gets {amount} {asset} from me
        <add> <liquidity> to {asset}/{other}
        <add> liquidity to the {asset}/{other} <pool> on {venue}
        lp some {asset} with {other}
        <add> {amount} {asset} as <liquidity>
        add liquidity with {amount} {asset}
        ~join the {asset}/{other} <pool> at {venue}
        ~enter an lp position with {amount} {asset}
    """,
    "remove_liquidity": """
        <remove> {amount} liquidity from {asset}/{other}
        <remove> {amount} lp position in the {asset}/{other} <pool>
        <remove> {amount} liquidity from the {asset}/{other} <pool> on {venue}
        <remove> liquidity from {asset}/{other}: {amount_bare}
        exit the {asset}/{other} <pool>, {amount_bare}
        close {amount} position in {asset}/{other} on {venue}
        stop being an lp in {asset}/{other}, <remove> {amount_bare}
        burn {amount} lp tokens of {asset}/{other}
        =i no longer want to provide {asset}/{other}, <remove> {amount_bare}
        ~back out of the {asset}/{other} <pool> with {amount_bare}
        ~unwind {amount} liquidity in {asset}/{other} at {venue}
        ~=my {asset}/{other} liquidity: <remove> {amount_bare}
        <remove> liquidity from {asset}/{other}
        <remove> liquidity from the {asset}/{other} <pool> on {venue}
        <remove> {amount} liquidity
        close my lp position
        ~reduce my liquidity in {asset}/{other}
        ~back out of the <pool> with {amount_bare}
    """,
    "stake": """
        <stake> {amount} {asset}
        <stake> {amount} {asset}
        <stake> {amount} {asset} with {venue}
        <stake> {amount} {asset} on {venue}
        <stake> {asset}, {amount_bare}
        use {venue} to stake {amount} {asset}
        put {amount} {asset} to work by staking it
        earn staking rewards on {amount} {asset}
        earn staking rewards with {venue} on {amount} {asset}
        =i want staking rewards for {amount} {asset}
        =staking: {amount} {asset}, {venue}
        ~have {amount} {asset} earn staking rewards
        ~place {amount} {asset} in staking through {venue}
        ~=let {amount} {asset} sit in staking
        ~stake with {venue}: {amount} {asset}
        <stake> {asset}
        <stake> my {asset} with {venue}
        stake {amount_bare}
        stake with {venue}
        ~have my {asset} earn staking rewards
        ~=i am thinking of staking my {asset}, go ahead
    """,
    "unstake": """
        <unstake> {amount} {asset}
        <unstake> {amount} {asset}
        unstake {amount} {asset} from {venue}
        unstake {asset}, {amount_bare}
        get {amount} {asset} back from staking
        pull {amount} {asset} out of staking with {venue}
        free {amount} staked {asset}
        =i want {amount} staked {asset} back
        =no more staking for {amount} {asset}
        ~bring {amount} {asset} home from staking
        ~undo the staking of {amount} {asset} at {venue}
        ~=i need {amount} {asset} that is staked with {venue} returned
        <unstake> {asset}
        unstake my {asset} from {venue}
        unstake {amount_bare}
        get my {asset} back from staking
        ~undo the staking of my {asset}
        ~=my staked {asset} should come back
    """,
    "deposit": """
        <deposit> {amount} {asset} in the {vault} <vault>
        <deposit> {amount} {asset} into {vault}
        <deposit> {amount} {asset} with the {vault} <vault>
        deposit {asset} into {vault}, {amount_bare}
        fund the {vault} <vault> with {amount} {asset}
        earn yield on {amount} {asset} in {vault}
        top up {vault} by {amount} {asset}
        =i want {amount} {asset} in the {vault} <vault>
        =vault {vault}: <deposit> {amount} {asset}
        ~let {amount} {asset} earn in the {vault} <vault>
        ~increase my {vault} vault deposit by {amount} {asset}
        ~=the {vault} <vault> should hold {amount} {asset} of mine
        <deposit> {amount} {asset} into <vague_vault>
        deposit {asset} into the {vault} <vault>
        deposit {amount} {asset}
        put money into the {vault} <vault>
        earn yield on {amount} {asset}
        ~let my {asset} earn in the {vault} <vault>
        ~find yield for {amount} {asset}, any vault
    """,
    "withdraw": """
        <withdraw> {amount} {asset} from the {vault} <vault>
        <withdraw> {amount} {asset} from {vault}
        <withdraw> {amount} {asset} out of {vault}
        withdraw {asset} from {vault}, {amount_bare}
        empty {amount} {asset} from {vault}
        get {amount} {asset} back from the {vault} <vault>
        cash out {amount} {asset} from {vault}
        =i need {amount} {asset} from my {vault} <vault>
        =vault {vault}: <withdraw> {amount} {asset}
        ~bring {amount} {asset} back out of the {vault} <vault>
        ~lower my {vault} vault deposit by {amount} {asset}
        ~=the {vault} <vault> should give me {amount} {asset}
        withdraw {amount} {asset} from <vague_vault>
        withdraw my {asset} from {vault}
        withdraw {amount} {asset}
        <withdraw> money from the {vault} <vault>
        ~bring my {asset} back out of the {vault} <vault>
        ~lower my vault deposit by {amount} {asset}
    """,
    "transfer": """
        <send> {amount} {asset} <to> {to}
        <send> {amount} {asset} <to> {to}
        <send> {to} {amount} {asset}
        <send> {asset} <to> {to}, {amount_bare}
        make a payment of {amount} {asset} to {to}
        move {amount} {asset} to {to}
        transfer to {to}: {amount} {asset}
        settle my debt of {amount} {asset} with {to}
        drop {amount} {asset} into the wallet of {to}
        top {to} up with {amount} {asset}
        =i owe {to} {amount} {asset}, <send> it
        ={to} needs {amount} {asset} from me
        ={amount} {asset} for {to} <pls>
        =payment: {amount} {asset} to {to}
        ~make sure {to} gets {amount} {asset}
        ~see that {amount} {asset} reaches {to}
        ~=it is time {to} got {amount} {asset} from me
        ~=recipient {to}, {amount} {asset}
        ~hand {amount} {asset} to {to}
        <send> {amount} {asset}
        <send> {asset} <to> {to}
        <send> {to} some money
        make a payment to {to}
        send {amount_bare} to {to}
        make a transfer of {amount} {asset}
        ~make sure {to} gets my {asset}
        ~=payment of {amount} {asset} is due
        ~hand {to} my {asset}
    """,
}
