"""English: when an automation acts."""

TEMPLATES = {
    "price.below": """
        {asset} <below> {value_usd}
        {asset} price <below> {value_usd}
        the price of {asset} <below> {value_usd}
        {asset} < {value_usd}
        ~{asset} trades lower than {value_usd}
        ~{asset} costs less than {value_usd}
        {asset} gets down to {value_usd}
        {asset} comes down to {value_usd} or less
        {asset} is at {value_usd} or lower
        {asset} is cheaper than {value_usd}
        {asset} is trading under {value_usd}
        {asset} can be had for under {value_usd}
        {asset} <= {value_usd}
        {asset} under {value_usd}
        {asset} price below {value_usd}
        {asset}/usd < {value_usd}
        one {asset} is worth less than {value_usd}
        {asset} breaks below {value_usd}
        {asset} breaks down under {value_usd}
        {asset} loses the {value_usd} level
        {asset} crosses {value_usd} from above
        {asset} crosses below {value_usd}
        {asset} plunges below {value_usd}
        {asset} is worth under {value_usd}
        you can get {asset} at {value_usd} or below
        the {asset} price is no more than {value_usd}
        one {asset} is at most {value_usd}
        {asset} slips below {value_usd}
        the chart shows {asset} under {value_usd}
        {asset} closes below {value_usd}
        the oracle says {asset} is under {value_usd}
        {asset} tanks to {value_usd}
        {asset} reaches {value_usd} on its way down
        {asset} can't hold {value_usd} any more
        {asset} cools off to {value_usd} or less
        {asset} is back under {value_usd}
        {asset} dumps to {value_usd} or worse
        the market price of {asset} has fallen to {value_usd}
        {asset} no longer holds above {value_usd}
    """,
    "price.above": """
        {asset} <above> {value_usd}
        {asset} price <above> {value_usd}
        the price of {asset} <above> {value_usd}
        {asset} > {value_usd}
        ~{asset} trades higher than {value_usd}
        ~{asset} costs more than {value_usd}
        {asset} gets up to {value_usd}
        {asset} makes it to {value_usd} or more
        {asset} is at {value_usd} or higher
        {asset} is more expensive than {value_usd}
        {asset} is trading over {value_usd}
        {asset} sells for over {value_usd}
        {asset} >= {value_usd}
        {asset} over {value_usd}
        {asset} price above {value_usd}
        {asset}/usd > {value_usd}
        one {asset} is worth more than {value_usd}
        {asset} breaks above {value_usd}
        {asset} breaks out over {value_usd}
        {asset} takes out the {value_usd} level
        {asset} crosses {value_usd} from below
        {asset} crosses above {value_usd}
        {asset} runs past {value_usd}
        {asset} is worth over {value_usd}
        i can sell {asset} at {value_usd} or better
        the {asset} price is no less than {value_usd}
        one {asset} is at least {value_usd}
        {asset} pushes through {value_usd}
        the chart shows {asset} over {value_usd}
        {asset} closes above {value_usd}
        the oracle says {asset} is over {value_usd}
        {asset} moons to {value_usd}
        {asset} reaches {value_usd} on its way up
        {asset} is back over {value_usd}
        {asset} climbs to {value_usd} or beyond
        {asset} recovers to {value_usd}
        {asset} rallies to {value_usd}
        the market price of {asset} has risen to {value_usd}
    """,
    "price.down": """
        {asset} <falls> {value_percent}
        {asset} <falls> by {value_percent}
        the {asset} price <falls> {value_percent}
        ~{asset} is {value_percent} lower
        {asset} is {value_percent} down
        {asset} gives back {value_percent}
        {asset} corrects by {value_percent}
        {asset} corrects {value_percent}
        {asset} sheds {value_percent}
        {asset} sells off by {value_percent}
        {asset} dips {value_percent}
        {asset} crashes {value_percent}
        {asset} tanks {value_percent}
        {asset} bleeds {value_percent}
        {asset} does -{value_percent}
        {asset} has fallen {value_percent}
        {asset} has dropped {value_percent} from where it is now
        {asset} retraces {value_percent}
        {asset} loses {value_percent} of its value
        {asset} is down {value_percent} from the current price
        there is a {value_percent} drop in {asset}
        there's a {value_percent} dip in {asset}
        {asset} gets {value_percent} cheaper
        {asset} comes down {value_percent}
        {asset} slips {value_percent}
        {asset} pulls back {value_percent}
        we see a {value_percent} correction in {asset}
        {asset} is off by {value_percent}
        {asset} takes a {value_percent} hit
        the {asset} chart is {value_percent} in the red
        the price of {asset} <falls> {value_percent} from here
        {asset} plunges {value_percent}
        {asset} weakens by {value_percent}
        a {value_percent} fall in {asset} happens
    """,
    "price.up": """
        {asset} <rises> {value_percent}
        {asset} <rises> by {value_percent}
        the {asset} price <rises> {value_percent}
        ~{asset} is {value_percent} higher
        {asset} is {value_percent} up
        {asset} adds {value_percent}
        {asset} rallies by {value_percent}
        {asset} rallies {value_percent}
        {asset} puts on {value_percent}
        {asset} climbs by {value_percent}
        {asset} moons {value_percent}
        {asset} appreciates {value_percent}
        {asset} runs up {value_percent}
        {asset} does +{value_percent}
        {asset} has risen {value_percent}
        {asset} has gone up {value_percent} from where it is now
        {asset} recovers {value_percent}
        {asset} gains {value_percent} in value
        {asset} is up {value_percent} from the current price
        there is a {value_percent} rise in {asset}
        there's a {value_percent} pump in {asset}
        {asset} gets {value_percent} more expensive
        {asset} comes up {value_percent}
        {asset} moves {value_percent} upward
        {asset} bounces {value_percent}
        we see a {value_percent} rally in {asset}
        {asset} grows by {value_percent}
        {asset} makes a {value_percent} gain
        the {asset} chart is {value_percent} in the green
        the price of {asset} <rises> {value_percent} from here
        {asset} spikes {value_percent}
        {asset} strengthens by {value_percent}
        a {value_percent} gain in {asset} happens
    """,
    "balance.below": """
        my {asset} balance <below> {value}
        i have less than {value} {asset}
        my wallet holds under {value} {asset}
        ~i own fewer than {value} {asset}
        my balance of {asset} <below> {value}
        my {asset} holdings <below> {value}
        my {asset} balance is less than {value}
        my {asset} balance < {value}
        balance of {asset} < {value}
        balance({asset}) < {value}
        there is less than {value} {asset} in my wallet
        there's under {value} {asset} left in my account
        i hold less than {value} {asset}
        i'm down to {value} {asset}
        i'm left with less than {value} {asset}
        my wallet has less than {value} {asset} in it
        my stock of {asset} <below> {value}
        my {asset} reserve <below> {value}
        my bag of {asset} shrinks below {value}
        i run low on {asset}, less than {value}
        only {value} {asset} or less remain in my wallet
        we have fewer than {value} {asset} in the wallet
        my account shows less than {value} {asset}
        the {asset} balance of my wallet <below> {value}
        the amount of {asset} i hold <below> {value}
    """,
    "balance.above": """
        my {asset} balance <above> {value}
        i have more than {value} {asset}
        my wallet holds over {value} {asset}
        ~i own upwards of {value} {asset}
        my balance of {asset} <above> {value}
        my {asset} holdings <above> {value}
        my {asset} balance is more than {value}
        my {asset} balance > {value}
        balance of {asset} > {value}
        balance({asset}) > {value}
        there is more than {value} {asset} in my wallet
        there's over {value} {asset} sitting in my account
        i hold more than {value} {asset}
        i'm up to {value} {asset} in my wallet
        i end up with more than {value} {asset}
        my wallet has more than {value} {asset} in it
        my stock of {asset} <above> {value}
        my {asset} reserve <above> {value}
        my bag of {asset} grows beyond {value}
        i have collected over {value} {asset}
        at least {value} {asset} have piled up in my wallet
        we have more than {value} {asset} in the wallet
        my account shows more than {value} {asset}
        the {asset} balance of my wallet <above> {value}
        the amount of {asset} i hold <above> {value}
    """,
    "gas.below": """
        gas <below> {value} gwei
        gas price <below> {value} gwei
        gas is cheaper than {value} gwei
        ~a transaction costs less than {value} gwei
        gas < {value}
        gas < {value} gwei
        gas under {value} gwei
        gas below {value}
        gas is {value} gwei or less
        gas is at most {value} gwei
        gas comes down to {value} gwei
        gas cools down to {value} gwei
        the gas price is lower than {value} gwei
        the base fee <below> {value} gwei
        the network fee <below> {value} gwei
        network fees are under {value} gwei
        gwei <below> {value}
        fees come down to {value} gwei
        gas gets as cheap as {value} gwei
        the chain is quiet and gas is under {value} gwei
        we're under {value} gwei
        gas is no more than {value} gwei
        gas sits below {value} gwei
        fees are not more than {value} gwei
    """,
    "gas.above": """
        gas <above> {value} gwei
        gas price <above> {value} gwei
        ~a transaction costs more than {value} gwei
        gas > {value}
        gas > {value} gwei
        gas over {value} gwei
        gas above {value}
        gas is {value} gwei or more
        gas is at least {value} gwei
        gas goes up to {value} gwei
        gas heats up to {value} gwei
        the gas price is higher than {value} gwei
        the base fee <above> {value} gwei
        the network fee <above> {value} gwei
        network fees are over {value} gwei
        gwei <above> {value}
        fees climb to {value} gwei
        gas gets as expensive as {value} gwei
        the chain is busy and gas is over {value} gwei
        we're over {value} gwei
        gas is no less than {value} gwei
        gas sits above {value} gwei
    """,
    "health.below": """
        my health factor <below> {value}
        my health factor on {venue} <below> {value}
        the health factor <below> {value}
        ~my {venue} loan has a health factor under {value}
        my hf <below> {value}
        hf < {value}
        health factor < {value}
        my health factor is less than {value}
        my health factor is at {value} or lower
        my loan's health factor <below> {value}
        the health of my loan <below> {value}
        my health on {venue} <below> {value}
        my {venue} hf <below> {value}
        my position on {venue} gets to a health factor below {value}
        the health factor of my {venue} position <below> {value}
        {venue} shows me a health factor below {value}
        i get close to liquidation, health factor under {value}
        my borrow on {venue} gets unsafe with a health factor below {value}
        my health factor can't stay over {value}
        my debt gets risky and the health factor <below> {value}
    """,
    "health.above": """
        my health factor <above> {value}
        my health factor on {venue} <above> {value}
        ~my {venue} loan has a health factor over {value}
        my hf <above> {value}
        hf > {value}
        health factor > {value}
        the health factor <above> {value}
        my health factor is more than {value}
        my health factor is at {value} or higher
        my loan's health factor <above> {value}
        the health of my loan <above> {value}
        my health on {venue} <above> {value}
        my {venue} hf <above> {value}
        my position on {venue} gets to a health factor above {value}
        the health factor of my {venue} position <above> {value}
        {venue} shows me a health factor above {value}
        my borrow on {venue} is safe again with a health factor above {value}
        my health factor recovers to {value}
    """,
    "event": """
        {source} emits {event}
        the {event} event fires on {source}
        there is a {event} event from {source}
        ~a {event} event comes out of {source}
        {source} fires {event}
        {source} logs {event}
        {source} throws a {event} event
        {source} sends out a {event} event
        {source} raises {event}
        {event} is emitted by {source}
        {event} is emitted on {source}
        {event} happens on {source}
        {event} shows up in the logs of {source}
        {event} gets logged by {source}
        {event} is triggered at {source}
        the {source} contract emits {event}
        the contract {source} emits the event {event}
        you see {event} from {source}
        a {event} log appears at {source}
        a {event} event is seen on {source}
        there's a new {event} on {source}
        the event {event} occurs at {source}
        {source} has a {event} event
        contract {source}, event {event} comes in
    """,
    "time": """
        {regularly}
        {regularly}
        {regularly} at {at}
        on a {regularly} basis
        {regularly}, at {at}
        every {every}
        every {every}
        <each> {every}
        every {every} at {at}
        every {day}
        every {day} at {at}
        on {day}s at {at}
        ~{day} after {day}
        ~always after {every}
        once every {every}
        one time every {every}
        each {every} at {at}
        every {every} from now on
        every {every}, starting now
        every {every} without fail
        every {every} around {at}
        every {every}, always at {at}
        at {at} every {every}
        every {every} (at {at})
        on repeat every {every}
        in a loop every {every}
        regularly, every {every}
        automatically every {every}
        like clockwork every {every}
        with an interval of one run every {every}
        once per {every}
        again every {every}
        as a routine every {every}
        each {day}
        each {day} at {at}
        on {day}s
        {day}s
        {day}s at {at}
        every week on {day}
        every week on {day} at {at}
        once a week on {day}
        once a week, {day} at {at}
        weekly on {day}
        weekly on {day} at {at}
        weekly, {day}s at {at}
        always on {day}
        always on {day}s at {at}
        at {at} on {day}s
        at {at} every {day}
        every {day} around {at}
        on each {day}
        on every {day} at {at}
        every single {day}
        a single time every {day}
        on a weekly basis, {day} {at}
    """,
    "date": """
        on {date}
        on {date} at {at}
        ~as of {date}
        ~when it is {date}, {at}
        {date}
        {date} at {at}
        {date}, {at}
        {date} {at}
        at {at} on {date}
        at {at}, {date}
        on {date} around {at}
        on {date}, at {at}
        once, on {date}
        one time on {date}
        only once: {date}
        just once, {date} at {at}
        on the date {date}
        on the day {date} at {at}
        not now but on {date}
        later, on {date}
        later, on {date} at {at}
    """,
}
