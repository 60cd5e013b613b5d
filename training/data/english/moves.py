"""English: what moves something: swap, transfer and, from their own files, liquidity, staking, vaults."""

from moray.training.data.english import pools, staking, vaults

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
        turn {amount} {pay} into {get}
        roll {amount} {pay} into {get}
        roll {amount} {pay} over to {get}
        shift {amount} {pay} towards {get}
        execute a swap of {amount} {pay} for {get}
        run a trade of {amount} {pay} into {get}
        do a conversion of {amount} {pay} into {get}
        place an order to sell {amount} {pay} for {get}
        place a market order: {amount} {pay} for {get}
        place a buy order for {amount_get} {get}, paid in {pay}
        open a trade, {pay} to {get}, size {amount_bare}
        submit a {pay} to {get} swap for {amount_bare}
        make {amount} {pay} into {get}
        replace {amount} {pay} with {get}
        replace my {pay} with {get}, {amount_bare}
        swap from {pay} into {get}, using {amount_bare}
        go from {pay} to {get}, amount {amount_bare}
        exit {amount} {pay} to {get}
        rebalance {amount} {pay} into {get}
        cash out {amount} {pay} to {get}
        cash {amount} {pay} in for {get}
        ape {amount} {pay} into {get}
        yolo {amount} {pay} into {get}
        throw {amount} {pay} at {get}
        blow {amount} {pay} on {get}
        invest {amount} {pay} in {get} by buying it
        use up {amount} {pay} to get {get}
        use {amount} {pay} as payment for {get}
        use {amount} {pay} for a {get} purchase
        use {pay} to <buy> {amount_get} {get}
        use my {pay} for buying {amount_get} {get}
        pay {amount} {pay} for {get}
        pay with {pay} and <buy> {amount_get} {get}
        spend {pay} to get {amount_get} {get}
        put {amount} {pay} towards buying {get}
        give up {amount} {pay} for {get}
        get {amount_get} {get} in exchange for {pay}
        get {amount_get} {get}, use {pay} for it
        get {get} using {amount} {pay}
        fill my bag with {get}, spend {amount} {pay}
        stack {get} with {amount} {pay}
        top up my {get} by selling {amount} {pay}
        add {amount_get} {get} to my wallet, paying with {pay}
        sell {pay} to buy {get}, {amount_bare}
        sell {pay} and get {get}, {amount_bare}
        sell {pay} into {get}: {amount_bare}
        market sell {amount} {pay} into {get}
        dump {amount} {pay} straight into {get}
        dump {pay} for {get}, {amount_bare}
        unload {amount} {pay} and take {get} instead
        let go of {amount} {pay} and grab {get}
        drop {amount} {pay} and load up on {get}
        take {amount} {pay} and buy {get} with it
        take {amount} {pay}, sell it and buy {get}
        take {amount} {pay} and turn it into {get}
        grab {get} with {amount} {pay}
        convert to {get}: {amount} {pay}
        convert into {get} the following: {amount} {pay}
        convert {pay}, {amount_bare}, into {get}
        change {pay} into {get}, amount: {amount_bare}
        swap for {get}: {amount} {pay}
        <buy> {get}, paying {amount} {pay}
        <buy> {get}, spending {amount} {pay}
        <buy> {get} and use {amount} {pay} for it
        <buy> {amount_get} {get} by selling {pay}
        <buy> {amount_get} {get} from the {pay} i hold
        <sell> {pay} until i have {amount_get} {get}
        <sell> enough {pay} to get {amount_get} {get}
        <sell> {amount} {pay} against {get}
        <sell> {amount} {pay} and go {get}
        <swap> enough {pay} to get {amount_get} {get}
        <swap> {pay} for {amount_get} {get}
        <swap> my {pay} for {amount_get} {get}
        <swap> as much {pay} as needed for {amount_get} {get}
        <swap> {amount} {pay} at the best rate <into> {get}
        <swap> {amount} {pay} that i hold <into> {get}
        <swap> {amount} {pay} from my wallet <into> {get}
        <swap> {pay} ({amount_bare}) <into> {get}
        <swap> {amount_bare} from {pay} to {get}
        <swap> the following: {amount} {pay} <into> {get}
        ditch {amount} {pay} in favour of {get}
        de-risk {amount} {pay} into {get}
        take profit on {amount} {pay} into {get}
        lock in profits: {amount} {pay} to {get}
        bail on {amount} {pay} and hold {get}
        ={amount} {pay} for {get}
        ={get} for {amount} {pay}
        ={amount} {pay} > {get}
        ={amount} {pay} => {get} <pls>
        ={amount} {pay} 2 {get}
        ={pay} to {get}, {amount_bare}
        ={pay} -> {get}, {amount_bare}
        ={pay} => {get} {amount_bare}
        ={pay} into {get}: {amount_bare}
        ={amount_get} {get} for {pay} <pls>
        ={amount_get} {get} paid with {pay}
        =swap {amount} {pay} {get}
        =swap order. from: {pay}. to: {get}. amount: {amount_bare}
        =from {pay} to {get}, {amount_bare}, swap it
        =to {get} from {pay}: swap {amount_bare}
        =sell {pay}, buy {get}, {amount_bare}
        =selling {amount} {pay} for {get}
        =swapping {amount} {pay} to {get}
        =buying {get} with {amount} {pay}
        =buying {amount_get} {get}, paying in {pay}
        =trade: give {amount} {pay}, receive {get}
        =pay: {pay}, get: {get}, amount: {amount_bare}
        =in: {amount} {pay}, out: {get}
        =token in {pay}, token out {get}, {amount_bare}
        =i'm done with {pay}, <swap> {amount_bare} to {get}
        =i'm bearish on {pay}, so <sell> {amount_bare} for {get}
        =i'm bullish on {get}, <buy> some with {amount} {pay}
        =i want {get} instead of {pay}, <swap> {amount_bare}
        =i want {amount_get} {get} and i'll pay in {pay}
        =i want to own {amount_get} {get}, take the money from my {pay}
        =i need {amount_get} {get}, sell {pay} for it
        =i need {get}, <swap> {amount} {pay}
        =we need {get}, so <swap> {amount} {pay}
        =we should convert {amount} {pay} to {get}
        =we are moving from {pay} to {get}, {amount_bare}
        =let us swap {amount} {pay} for {get}
        =i think {get} will pump, <swap> {amount} {pay} for it
        =i don't trust {pay} anymore, <swap> {amount_bare} <into> {get}
        =too much {pay} in my wallet, <swap> {amount_bare} to {get}
        =i hold too much {pay}; {amount_bare} should be {get}
        =short on {get}, <swap> {amount} {pay}
        =please have {amount} {pay} swapped to {get}
        ={amount} {pay} should be swapped for {get}
        ={amount} {pay} must be converted into {get}
        ={amount} {pay} can be sold for {get}
        ={amount} {pay} to be exchanged for {get}
        =i'd like {amount} {pay} turned into {get}
        =i'd like {amount_get} {get} bought with {pay}
        =i'd prefer {get} over {pay}, swap {amount_bare}
        =could {amount} {pay} be swapped to {get}
        =any chance of swapping {amount} {pay} to {get}
        =mind swapping {amount} {pay} for {get}
        =how about we trade {amount} {pay} for {get}
        =wanna swap {amount} {pay} for {get}
        =gonna need {amount_get} {get}, swap {pay} for it
        =gimme {amount_get} {get} for {pay}
        =gimme {get} for {amount} {pay}
        =lemme get {amount_get} {get} with {pay}
        =lemme swap {amount} {pay} to {get}
        =trying to swap {amount} {pay} to {get}
        =need to get from {pay} to {get}: {amount_bare}
        =need {get}, have {pay}, swap {amount_bare}
        =got {pay}, need {get}, trade {amount_bare}
        =have {amount} {pay}, need {get}, swap <pls>
        =i got {amount} {pay}, make it {get}
        =here is my {pay}, swap {amount_bare} for {get}
        =my {pay} for {get}: {amount_bare}
        =my {pay} needs converting to {get}, {amount_bare}
        =sell order: {amount} {pay} for {get}
        =buy order: {amount_get} {get} with {pay}
        =ok sell {amount} {pay} and give me {get}
        =quick swap, {amount} {pay} to {get}
        =one swap please: {pay} to {get}, {amount_bare}
        =exchange request: {amount} {pay} against {get}
        =the trade i want: {amount} {pay} for {get}
        =the idea is to buy {get} with {amount} {pay}, do it
        turn {pay} into {get}
        turn my {pay} into {get}
        <swap> some of my {pay} <into> {get}
        <swap> a little {pay} <into> {get}
        <buy> some {get}
        <buy> some {get} with my {pay}
        <buy> more {get}
        <buy> more {get} using {pay}
        purchase {get} using the {pay} i have
        place a buy order for {amount_get} {get}
        load up on {get}
        spend {amount} {pay} on something good
        spend {amount} {pay} on some other coin
        use {amount} {pay} to buy something
        use some {pay} for {get}
        sell {amount} {pay} on a dex
        sell some {pay}
        sell some {pay} for {get}
        dump my {pay}
        dump {pay} for {get}
        cash out my {pay} to {get}
        replace my {pay} with {get}
        replace {amount} {pay} with another token
        swap {amount} {pay} for something else
        swap {amount} {pay} to another coin
        swap my {pay} into a different coin
        swap something for {get}
        swap into {get}
        convert to {get}
        <swap> {amount_bare} <into> {get}
        do a swap
        make a trade
        make a swap to {get}
        do a {pay} to {get} swap
        make a {pay} to {get} trade
        open a swap from {pay}
        go from {pay} to {get}
        switch from {pay} to {get}
        =i want {get} instead of {pay}
        =i want to own {amount_get} {get}
        =i don't want {pay} anymore, swap it
        =i'd rather have {get} than {pay}
        ={pay} to {get}
        ={pay} -> {get} <pls>
        =sell {pay} buy {get}
        =my {pay} should be {get}
        =my {pay} needs selling
        =need {get} for gas, buy some
        =selling {amount} {pay}
        =buying {get}
        =buying {amount_get} {get}
        =swap <pls>
        =swap, amount {amount_bare}
        =a swap to {get} please
        =i have {amount} {pay}, swap it
        =i have {pay} to sell
        =got {amount} {pay} to swap
        =let me trade {pay} for {get}
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
        pay {to} {amount} {asset}
        pay {amount} {asset} to {to}
        pay back {to} with {amount} {asset}
        pay {to} back {amount} {asset}
        repay {to} {amount} {asset}
        refund {to} {amount} {asset}
        refund {amount} {asset} to {to}
        reimburse {to} with {amount} {asset}
        compensate {to} with {amount} {asset}
        reward {to} with {amount} {asset}
        surprise {to} with {amount} {asset}
        donate {amount} {asset} to {to}
        support {to} with {amount} {asset}
        help {to} out with {amount} {asset}
        return {amount} {asset} to {to}
        give {amount} {asset} back to {to}
        share {amount} {asset} with {to}
        move {amount} {asset} over to {to}
        move {asset} to {to}, {amount_bare}
        move {amount} {asset} from my wallet to {to}
        transfer {amount} {asset} from me to {to}
        transfer {asset} to {to}: {amount_bare}
        send {to} the following: {amount} {asset}
        send {to} {asset}, {amount_bare}
        send {to} {amount_bare} in {asset}
        send {amount_bare} in {asset} to {to}
        send to {to} {amount} {asset}
        send out {amount} {asset}, destination {to}
        send {asset} ({amount_bare}) to {to}
        send a payment to {to}: {amount} {asset}
        send {amount} {asset} as a gift to {to}
        send {amount} {asset} to the wallet of {to}
        send {amount} {asset} to {to}'s wallet
        get {amount} {asset} over to {to}
        do a transfer to {to}, {amount} {asset}
        do a transfer of {amount} {asset} to {to}
        make a transfer: {amount} {asset}, to {to}
        initiate a transfer of {amount} {asset} to {to}
        execute a payment to {to}, {amount} {asset}
        put through a payment of {amount} {asset} to {to}
        process a payment of {amount} {asset} for {to}
        issue {amount} {asset} to {to}
        credit {to} with {amount} {asset}
        fund {to} with {amount} {asset}
        load {to} up with {amount} {asset}
        put {amount} {asset} into the account of {to}
        let {to} have {amount} {asset}
        provide {to} with {amount} {asset}
        settle up with {to}, {amount} {asset}
        clear my tab with {to}: {amount} {asset}
        pay the invoice from {to}, {amount} {asset}
        pay rent to {to}: {amount} {asset}
        pay {to} for lunch with {amount} {asset}
        pay {to} a salary of {amount} {asset}
        distribute {amount} {asset} to {to}
        release {amount} {asset} to {to}
        sweep {amount} {asset} to {to}
        to {to}, <send> {amount} {asset}
        for {to}: <send> {amount} {asset}
        <send> {to} {amount} {asset} as a thank you
        <send> {to} {amount} {asset} for the tickets
        <send> {amount} {asset} <to> {to} for dinner
        <send> {amount} {asset} <to> {to} as agreed
        <send> {amount} {asset} from my wallet <to> {to}
        <send> {to} money: {amount} {asset}
        ={to} should receive {amount} {asset}
        ={to} must be paid {amount} {asset}
        ={to} is owed {amount} {asset}, send it
        ={to} is waiting for {amount} {asset}, send it
        ={to} asked me for {amount} {asset}, send it over
        ={to} lent me {amount} {asset}, pay it back
        ={to} paid for the hotel, so send {amount} {asset} back
        ={to}: {amount} {asset}
        ={to} {amount} {asset} <pls>
        ={amount} {asset} -> {to}
        ={amount} {asset} => {to}
        ={amount} {asset} to {to}
        ={amount} {asset} to {to} <pls>
        ={amount} {asset} should go to {to}
        ={amount} {asset} must be sent to {to}
        ={amount} {asset} to be paid to {to}
        ={amount} {asset} belongs to {to}, return it
        ={amount} {asset} is for {to}, send it over
        =from me to {to}: {amount} {asset}
        =to: {to}, amount: {amount_bare}, token: {asset}
        =token: {asset}, amount: {amount_bare}, to: {to}
        =transfer order. asset {asset}, amount {amount_bare}, beneficiary {to}
        =transfer {asset} {to} {amount_bare}
        =send: {amount} {asset}, to: {to}
        =destination {to}, asset {asset}, send {amount_bare}
        =sending {to} {amount} {asset}
        =sending {amount} {asset} over to {to}
        =i promised {to} {amount} {asset}, send it
        =i lost a bet against {to}, pay {amount} {asset}
        =i borrowed {amount} {asset} from {to}, give it back
        =i need {amount} {asset} sent to {to}
        =i want {to} to receive {amount} {asset}
        =i want {to} to have {amount} {asset}
        =i want {amount} {asset} moved to {to}
        =i'd like {to} to be paid {amount} {asset}
        =i'd like {amount} {asset} to go to {to}
        =i have to pay {to}, {amount} {asset}
        =i'm paying {to} {amount} {asset}
        =i still owe {to} {amount} {asset}, settle it
        =we owe {to} {amount} {asset}, please pay
        =we agreed on {amount} {asset} for {to}, send it
        =we are sending {to} {amount} {asset}
        =i'm in debt with {to}, pay {amount} {asset}
        =could {to} be sent {amount} {asset}
        =can {to} have {amount} {asset} from me
        =mind sending {to} {amount} {asset}
        =how about sending {amount} {asset} to {to}
        =please have {amount} {asset} sent to {to}
        =gotta pay {to} {amount} {asset}
        =gotta send {amount} {asset} to {to}
        =lemme send {to} {amount} {asset}
        =it's the birthday of {to}, send {amount} {asset}
        =rent day: {amount} {asset} to {to}
        =payday for {to}: {amount} {asset}
        =salary for {to}, {amount} {asset}
        =gift for {to}: {amount} {asset}
        =donation to {to}, {amount} {asset}
        =invoice from {to} came in, pay {amount} {asset}
        =one transfer: {asset} to {to}, {amount_bare}
        =it's for {to}, send {amount} {asset}
        pay {to}
        pay {to} back
        pay {to} in {asset}
        pay {amount} {asset}
        pay someone {amount} {asset}
        pay my rent
        pay the invoice
        refund {to}
        repay {to} in {asset}
        tip {to}
        tip {to} some {asset}
        send money
        send money to {to}
        send some {asset} to {to}
        send {to} {amount_bare}
        send {to} a bit of {asset}
        send something to {to}
        send a gift to {to}
        send {amount} {asset} to someone
        send {amount} {asset} to a friend of mine
        send {amount} {asset} to my friend's wallet
        transfer {amount_bare} to {to}
        transfer my {asset} elsewhere
        transfer funds to {to}
        do a transfer
        make a payment in {asset}
        make a payment of {amount_bare} to {to}
        move my {asset} to {to}
        move some {asset} over to {to}
        donate {amount} {asset}
        donate some {asset} to {to}
        share some {asset} with {to}
        top {to} up
        fund {to} with {asset}
        settle my debt with {to}
        get some {asset} over to {to}
        =i owe {to} {asset}
        =i owe {to} {amount_bare}, pay up
        ={to} needs {asset} from me
        ={to} needs money, send some
        ={to} is waiting for the {asset}, send it
        =send it to {to}
        =payment to {to} <pls>
        =i have to send {amount} {asset}
        =sending {to} {asset}
        =somebody needs {amount} {asset} from me
        =my landlord wants the rent, pay {amount} {asset}
        ={asset} to {to}'s wallet <pls>
        =a transfer of {amount_bare} please
    """,
    **pools.TEMPLATES,
    **staking.TEMPLATES,
    **vaults.TEMPLATES,
}
