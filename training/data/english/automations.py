"""English: rules and schedules, whole or with a gap."""

TEMPLATES = {
    "automation": """
        =<when> {trigger}, {then}
        =<when> {trigger}, {then}
        =<when> {trigger} then {then}
        {then} <when> {trigger}
        {then} <when> {trigger}
        set up an automation: <when> {trigger}, {then}
        create a rule to {then} <when> {trigger}
        =rule: <when> {trigger} -> {then}
        =i'd like you to {then} <when> {trigger}
        =watch the market and {then} <when> {trigger}
        ~=should it happen that {trigger}, {then}
        ~={then}, but wait until {trigger}
        ~keep an eye on things and {then} <when> {trigger}
        ~=standing order: {then} as soon as you see that {trigger}
    """,
    "schedule": """
        {then} {trigger}
        {then} {trigger}
        ={trigger} {then}
        ={trigger}, {then}
        ={trigger}: {then}
        schedule this {trigger}: {then}
        set up a recurring order {trigger}: {then}
        ~{then}, and do so {trigger}
        ~=put in my calendar: {trigger} {then}
    """,
    "notify": """
        <alert>
        <alert>
        send me a message
        ~say something to me
    """,
    "automation.when": """
        automate this: {then}
        set up an automation to {then}
        create a rule to {then}
        {then} automatically
        {then} when the time is right
        {then} at a good moment
        ~{then} on autopilot
        ~{then} when the stars align
    """,
    "automation.value": """
        {then} when {asset} drops <vague_value>
        {then} if the {asset} price moves <vague_value>
        =when {asset} is low enough, {then}
        =when gas is low enough, {then}
        =once {asset} hits <vague_value>, {then}
        ~=if {asset} crashes, {then}
        ~{then} when {asset} looks cheap
    """,
    "automation.then": """
        =when {trigger}, do something
        =if {trigger}, act
        =set up an automation for when {trigger}
        =do the usual when {trigger}
        =when {trigger}, you know what to do
        ~=react when {trigger}
        ~=something should happen when {trigger}
    """,
}
