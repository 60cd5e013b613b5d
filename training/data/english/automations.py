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
        =<when> {trigger}: {then}
        =<when> {trigger} please {then}
        =<when> {trigger} just {then}
        =<when> {trigger}, please {then}
        =<when> {trigger}, i want you to {then}
        =<when> {trigger}, could you {then}
        =<when> {trigger}, go ahead and {then}
        =<when> {trigger}, you should {then}
        =<when> {trigger}, i need you to {then}
        =<when> {trigger}, it's time to {then}
        =<when> {trigger} my move is to {then}
        =if {trigger} -> {then}
        =if {trigger} => {then}
        =if ({trigger}) then {then}
        =trigger: {trigger}; action: {then}
        =condition: {trigger}. then: {then}
        =when: {trigger} / do: {then}
        =automation: {trigger} -> {then}
        =new automation: if {trigger} then {then}
        =new rule. {trigger}: {then}
        =the rule is: <when> {trigger}, {then}
        =add a rule that says: <when> {trigger}, {then}
        =from now on, <when> {trigger}, {then}
        =every time {trigger}, {then}
        =each time {trigger}: {then}
        =any time {trigger}, {then}
        =the second {trigger}, {then}
        =the minute {trigger}, {then}
        =at the point where {trigger}, {then}
        =in the event that {trigger}, {then}
        =let's say {trigger}. then {then}
        =suppose {trigger}: then {then}
        =my plan: <when> {trigger}, {then}
        =i'm away for a while, so <when> {trigger}, {then}
        =i sleep at night, so if {trigger}, {then}
        =i can't watch the charts all day. <when> {trigger}, {then}
        =if you notice that {trigger}, {then}
        =if it turns out that {trigger}, {then}
        =if ever {trigger}, {then}
        =if at some point {trigger}, {then}
        =as long as nothing happens do nothing, but <when> {trigger}, {then}
        =conditional order: {then} if {trigger}
        =conditional: {then} @ {trigger}
        =bot: <when> {trigger}, {then}
        =watch for this: {trigger}. when it happens, {then}
        =check regularly, and <when> {trigger}, {then}
        =monitor this for me: <when> {trigger}, {then}
        =remember this: <when> {trigger}, {then}
        =i want an automation that will {then} <when> {trigger}
        =what i need: {then} <when> {trigger}
        =can it be set up so that <when> {trigger} you {then}
        =today is quiet, but <when> {trigger} i want to {then}
        =not now. {then} only once {trigger}
        =here's the trigger: {trigger}. here's what to do: {then}
        =i have one rule: {then} <when> {trigger}
        =we agreed on this: if {trigger}, you {then}
        =someone has to {then} <when> {trigger}, make it automatic
        =my bot should {then} <when> {trigger}
        =the agent should {then} <when> {trigger}
        automatically {then} <when> {trigger}
        {then} automatically <when> {trigger}
        {then} every time {trigger}
        {then} each time {trigger}
        {then} any time {trigger}
        {then} the minute {trigger}
        {then} the second {trigger}
        {then} only when {trigger}
        {then}, but only once {trigger}
        {then}, though not before {trigger}
        {then} in the event that {trigger}
        {then} after {trigger}
        {then} if ever {trigger}
        {then} on this condition: {trigger}
        {then} - trigger: {trigger}
        {then} (when {trigger})
        {then} at the point where {trigger}
        set a trigger: <when> {trigger}, {then}
        set up a bot to {then} <when> {trigger}
        make a rule: <when> {trigger}, {then}
        make sure to {then} <when> {trigger}
        be ready to {then} <when> {trigger}
        arrange to {then} <when> {trigger}
        place a conditional order to {then} <when> {trigger}
        program this: {trigger}, then {then}
        stand by and {then} <when> {trigger}
        monitor the chain and {then} <when> {trigger}
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
        {then}, {trigger}
        {then} - {trigger}
        {then} ({trigger})
        {then} automatically, {trigger}
        {then} on a schedule: {trigger}
        {then}; when: {trigger}
        ={trigger} - {then}
        ={trigger} -> {then}
        ={trigger} please {then}
        ={trigger}, please {then}
        ={trigger} just {then}
        ={trigger} i want to {then}
        ={trigger} i want you to {then}
        ={trigger}, i'd like to {then}
        ={trigger} you should {then}
        ={trigger}, go ahead and {then}
        ={trigger}, could you {then}
        ={trigger} my agent should {then}
        ={trigger} we {then}
        =i need to {then} {trigger}, do it for me
        =i always forget, so {trigger} {then}
        =my habit is to {then} {trigger}, take it over
        =i'm busy, so {trigger} please {then}
        =i get my salary regularly, so {trigger} {then}
        =schedule: {trigger}. action: {then}
        =when: {trigger}. what: {then}
        =what: {then}. when: {trigger}
        =timer: {trigger}, {then}
        =timer {trigger}: {then}
        =cron: {trigger} {then}
        =job: {then}, timing: {trigger}
        =planned order: {trigger}, {then}
        =new schedule: {trigger} {then}
        =plan it: {trigger}, {then}
        =the plan is to {then} {trigger}
        =this should run {trigger}: {then}
        =have this happen {trigger}: {then}
        =here's something to do {trigger}: {then}
        =make it a habit: {trigger} {then}
        =can you schedule it so that {trigger} you {then}
        =automate this: {then} {trigger}
        =not today. {trigger}: {then}
        run this {trigger}: {then}
        execute this {trigger}: {then}
        set a timer: {trigger} {then}
        set up a schedule: {trigger}, {then}
        create a schedule to {then} {trigger}
        make sure to {then} {trigger}
        remember to {then} {trigger}
        arrange to {then} {trigger}
        automate it so that {trigger} you {then}
        plan to {then} {trigger}
    """,
    "notify": """
        <alert>
        <alert>
        send me a message
        ~say something to me
        message me
        send me a notification
        send me a push
        send me a ping
        text me
        write me
        warn me
        inform me
        give me a shout
        give me a sign
        poke me
        buzz me
        wake me up
        call my attention to it
        raise an alarm
        sound the alarm
        show me a notification
        send me a warning
        make me aware
        report to me
        flag it to me
        drop me a message
        remind me
        keep me posted
        update me
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
        make it automatic: {then}
        set up a rule to {then}
        set up a rule: {then}
        set a trigger to {then}
        set up a bot to {then}
        have a bot {then}
        schedule this: {then}
        schedule it: {then}
        put this on a schedule: {then}
        set a timer to {then}
        plan this for later: {then}
        {then} on a schedule
        {then} regularly
        {then} from time to time
        {then} every now and then
        {then} every so often
        {then} periodically
        {then} again and again
        {then} later
        {then} some day
        {then} at some point
        {then} in the future
        {then}, but not now
        {then}, but at a better time
        {then} when conditions are good
        {then} when the market looks better
        {then} when it makes sense
        {then} when it's a good time
        {then} if something happens
        {then} on a certain condition
        {then} under the right conditions
        {then} when needed
        {then} by itself
        {then} on your own whenever you think it fits
        {then} as an automation
        {then} as a recurring order
        =automation: {then}
        =new rule: {then}
        =recurring: {then}
        =i want an automation that will {then}
        =can this run by itself: {then}
        =a bot should {then}, i'll tell you the trigger
        =i want to {then} repeatedly
        =conditional order: {then}
    """,
    "automation.value": """
        {then} when {asset} drops <vague_value>
        {then} if the {asset} price moves <vague_value>
        =when {asset} is low enough, {then}
        =when gas is low enough, {then}
        =once {asset} hits <vague_value>, {then}
        ~=if {asset} crashes, {then}
        ~{then} when {asset} looks cheap
        {then} when {asset} rises <vague_value>
        {then} when {asset} falls <vague_value>
        {then} when {asset} is expensive
        {then} when {asset} pumps
        {then} when {asset} dumps
        {then} when {asset} goes up
        {then} when {asset} goes down
        {then} if {asset} dips
        {then} if {asset} rallies
        {then} if {asset} gets too expensive
        {then} once {asset} has gained <vague_value>
        {then} once {asset} has lost <vague_value>
        {then} once {asset} reaches a good price
        {then} as soon as {asset} is at a better price
        {then} as soon as gas is cheap
        {then} as soon as gas comes down
        {then} when gas is low
        {then} when fees are lower
        {then} when gas gets too expensive
        {then} when my health factor gets low
        {then} if my health factor is bad
        {then} if my loan gets risky
        {then} when my {asset} balance is low
        {then} when i have <vague_value> {asset}
        {then} when my wallet is running out of {asset}
        {then} at a certain {asset} price
        {then} below some {asset} price
        {then} above a certain price of {asset}
        =if {asset} is up <vague_value>, {then}
        =if {asset} is down <vague_value>, {then}
        =when {asset} is high enough, {then}
        =when the price of {asset} is right, {then}
        =once {asset} moves <vague_value>, {then}
        =if gas is too high, {then}
        =when gas falls <vague_value>, {then}
        =if my hf falls <vague_value>, {then}
        =stop loss on {asset}: {then}
        =take profit on {asset}: {then}
        =buy the dip rule for {asset}: {then}
        =when {asset} hits my price, {then}
        =when {asset} changes by some percent, {then}
    """,
    "automation.then": """
        =when {trigger}, do something
        =if {trigger}, act
        =set up an automation for when {trigger}
        =do the usual when {trigger}
        =when {trigger}, you know what to do
        ~=react when {trigger}
        ~=something should happen when {trigger}
        =when {trigger}, take care of it
        =when {trigger}, make a move
        =when {trigger}, handle it
        =when {trigger}, do your thing
        =when {trigger}, do what we said
        =when {trigger}, do what is needed
        =when {trigger}, do the right thing
        =when {trigger}, run the automation
        =when {trigger}, execute
        =when {trigger}, go
        =when {trigger}, do it
        =when {trigger}, you should do something about it
        =when {trigger}, i want you to act
        =when {trigger}, please help
        =when {trigger}, fix it
        =if {trigger}, protect me
        =if {trigger}, save my funds
        =if {trigger}, we need to do something
        =if {trigger}, then what we talked about
        =if {trigger}, then ...
        =if {trigger}, be smart
        =if {trigger} =>
        =every time {trigger}, do that
        =once {trigger}, carry on with the plan
        =as soon as {trigger}, start
        =make a rule for when {trigger}
        =create a rule: if {trigger}
        =new rule: when {trigger}
        =i need an automation for when {trigger}
        =set a trigger for when {trigger}
        =have a plan ready for when {trigger}
        =trigger: {trigger}
        =condition: {trigger}
        =be prepared for when {trigger}
        =do something about it if {trigger}
        =don't just sit there when {trigger}
        =use this trigger: {trigger}
    """,
}
