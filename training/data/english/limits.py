"""English: what an automation's trigger is tied to: further conditions and limits."""

TEMPLATES = {
    "given": """
        but only if {condition}
        as long as {condition}
        provided {condition}
        and {condition}
        ~on the condition that {condition}
        if {condition}
        only if {condition}
        but just if {condition}
        only while {condition}
        while {condition}
        given that {condition}
        assuming {condition}
        assuming that {condition}
        providing {condition}
        and only when {condition}
        , condition: {condition}
        , extra condition: {condition}
        , but check that {condition}
        so long as {condition}
        , if and only if {condition}
        (only if {condition})
        (condition: {condition})
        and at the same time {condition}
        and also {condition}
        , it also has to be true that {condition}
        , but first check whether {condition}
        , not unless {condition}
        , but leave it alone unless {condition}
        , given {condition}
        , subject to this: {condition}
    """,
    "limit.runs": """
        at most {runs} times
        , max {runs} times
        , no more than {runs} runs
        ~, {runs} times and then stop
        {runs} times at most
        , do this {runs} times only
        , limit {runs} runs
        , {runs}x max
        (max {runs}x)
        , {runs} times in total
        , up to {runs} executions
        , cap it at {runs} runs
        , after {runs} runs it's over
        , runs: {runs}
        for a total of {runs} times
        , let it fire {runs} times at most
        , only the first {runs} times
        , end after {runs} executions
        , expire after {runs} runs
        , {runs} repetitions max
        , until it has run {runs} times
        , quit after {runs} of them
        , i only need it {runs} times
        , limited to {runs} executions
        , not more than {runs} times overall
        , count: {runs}
    """,
    "limit.total": """
        , spend at most {total} in total
        , total limit {total}
        , never more than {total} altogether
        ~, and stop once {total} is used up
        , budget {total}
        , with a budget of {total}
        , total budget: {total}
        , up to {total} overall
        , cap total spending at {total}
        , max {total} in total
        , overall limit {total}
        , in sum no more than {total}
        , not beyond {total} in total
        , lifetime cap {total}
        , the whole thing may use {total} at most
        , don't exceed {total} overall
        , total spend <= {total}
        , ceiling of {total} for all runs together
        , altogether at most {total}
        , i can spare {total} for all of it
        with {total} as the total limit
        , all runs together under {total}
        , maximum total {total}
        , don't let it spend over {total} in all
    """,
    "limit.until": """
        until {until}
        , stop on {until}
        , valid until {until}
        ~, and end it on {until}
        till {until}
        (until {until})
        , up to {until}
        , expires {until}
        , expiry {until}
        , good until {until}
        , last day {until}
        , deadline {until}
        , not after {until}
        , until {until} at the latest
        , then stop on {until}
        , cancel it on {until}
        , run it until {until} only
        , after {until} it's void
        , shut it down on {until}
        , keep going until {until}
        , no longer than until {until}
        , switch it off on {until}
        , until: {until}
        , the rule dies on {until}
    """,
    "limit.gas": """
        , not while gas is above {gas} gwei
        , gas at most {gas} gwei
        , max gas {gas} gwei
        ~, skipping it when gas costs over {gas} gwei
        , gas limit {gas} gwei
        , gas cap {gas} gwei
        , gas cap: {gas}
        , max gas: {gas} gwei
        , pay at most {gas} gwei for gas
        , no more than {gas} gwei gas
        , don't run it while gas is over {gas} gwei
        , hold off while gas exceeds {gas} gwei
        , pause when gas goes beyond {gas} gwei
        , stand back when gas is over {gas} gwei
        , wait out gas above {gas} gwei
        , never at gas over {gas} gwei
        , with gas capped at {gas} gwei
        , gas must not exceed {gas} gwei
        , unless gas is above {gas} gwei
        , gas no higher than {gas} gwei
        , ceiling for gas {gas} gwei
        , i won't pay over {gas} gwei for gas
    """,
}
