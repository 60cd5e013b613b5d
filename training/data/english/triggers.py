"""English: when an automation acts, on what conditions and how often."""

TEMPLATES = {
    "price.below": """
        {asset} <below> {value_usd}
        {asset} price <below> {value_usd}
        the price of {asset} <below> {value_usd}
        {asset} < {value_usd}
        ~{asset} trades lower than {value_usd}
        ~{asset} costs less than {value_usd}
    """,
    "price.above": """
        {asset} <above> {value_usd}
        {asset} price <above> {value_usd}
        the price of {asset} <above> {value_usd}
        {asset} > {value_usd}
        ~{asset} trades higher than {value_usd}
        ~{asset} costs more than {value_usd}
    """,
    "price.down": """
        {asset} <falls> {value_percent}
        {asset} <falls> by {value_percent}
        the {asset} price <falls> {value_percent}
        ~{asset} is {value_percent} lower
    """,
    "price.up": """
        {asset} <rises> {value_percent}
        {asset} <rises> by {value_percent}
        the {asset} price <rises> {value_percent}
        ~{asset} is {value_percent} higher
    """,
    "balance.below": """
        my {asset} balance <below> {value}
        i have less than {value} {asset}
        my wallet holds under {value} {asset}
        ~i own fewer than {value} {asset}
    """,
    "balance.above": """
        my {asset} balance <above> {value}
        i have more than {value} {asset}
        my wallet holds over {value} {asset}
        ~i own upwards of {value} {asset}
    """,
    "gas.below": """
        gas <below> {value} gwei
        gas price <below> {value} gwei
        gas is cheaper than {value} gwei
        ~a transaction costs less than {value} gwei
    """,
    "gas.above": """
        gas <above> {value} gwei
        gas price <above> {value} gwei
        ~a transaction costs more than {value} gwei
    """,
    "health.below": """
        my health factor <below> {value}
        my health factor on {venue} <below> {value}
        the health factor <below> {value}
        ~my {venue} loan has a health factor under {value}
    """,
    "health.above": """
        my health factor <above> {value}
        my health factor on {venue} <above> {value}
        ~my {venue} loan has a health factor over {value}
    """,
    "event": """
        {source} emits {event}
        the {event} event fires on {source}
        there is a {event} event from {source}
        ~a {event} event comes out of {source}
    """,
    "time": """
        every {every}
        every {every}
        <each> {every}
        every {every} at {at}
        every {day}
        every {day} at {at}
        on {day}s at {at}
        ~{day} after {day}
        ~always after {every}
    """,
    "date": """
        on {date}
        on {date} at {at}
        ~as of {date}
        ~when it is {date}, {at}
    """,
    "given": """
        but only if {condition}
        as long as {condition}
        provided {condition}
        and {condition}
        ~on the condition that {condition}
    """,
    "limit.runs": """
        at most {runs} times
        , max {runs} times
        , no more than {runs} runs
        ~, {runs} times and then stop
    """,
    "limit.total": """
        , spend at most {total} in total
        , total limit {total}
        , never more than {total} altogether
        ~, and stop once {total} is used up
    """,
    "limit.until": """
        until {until}
        , stop on {until}
        , valid until {until}
        ~, and end it on {until}
    """,
    "limit.gas": """
        , not while gas is above {gas} gwei
        , gas at most {gas} gwei
        , max gas {gas} gwei
        ~, skipping it when gas costs over {gas} gwei
    """,
}
