"""English: what is put around a request: frames, small talk, chain, slippage."""

TEMPLATES = {
    "frame": """
        {core}
        {core}
        {core}
        {core} <pls>
        <pls> {core}
        {core}, <thanks>
        {core} <soon>
        can you {core}
        could you {core}?
        could you please {core}
        i <want> to {core}
        i want you to {core}
        i'd like to {core}
        i need to {core}
        help me {core}
        let's {core}
        go {core}
        time to {core}
        would you mind helping me {core}?
        i was wondering if you could {core}
        my plan is to {core}
        <hey>, {core}
        <hey> {core} <pls>
        <hey>, can you {core}
        <hey>, i want to {core}. <thanks>
        ~it would be great if you could {core}
        ~i have decided to {core}
        ~what i have in mind is to {core}
        ~your task is to {core}
        ~<hey>, {core}, <thanks>
        ~{core} for me, <pls>
        ~<pls>, {core} <soon>
        {core} real quick
        {core}, would you
        {core}, will you?
        {core}, can you?
        {core} if possible
        {core} if that's ok
        {core} when you get a chance
        {core} :)
        {core} - <thanks>
        {core}. <thanks>
        {core}, that's what i <want>
        {core}, that's my order
        just {core}
        simply {core}
        quickly {core}
        now {core}
        next, {core}
        then {core}
        also {core}
        first, {core}
        ok {core}
        alright, {core}
        yes, {core}
        yeah so {core}
        so, {core}
        well, {core}
        look, {core}
        go ahead and {core}
        you can {core} now
        you may {core}
        you should {core}
        u can {core} now
        can u {core}
        can u {core} pls
        could u {core}
        plz can you {core}
        can you {core} <pls>
        can you <pls> {core}?
        can you quickly {core}?
        can you help me {core}?
        can you go and {core}
        can i get you to {core}?
        can i ask you to {core}?
        can i {core}?
        can we {core}?
        could i {core} <pls>
        could we {core}?
        could you help me to {core}?
        could you quickly {core}?
        could you maybe {core}
        would you {core}?
        would you be able to {core}?
        would it be possible to {core}?
        would it be ok to {core}?
        will you {core}?
        won't you {core}?
        are you able to {core}?
        is it possible to {core}?
        is there a way to {core}? do it then
        any chance you can {core}?
        any chance to {core} <soon>?
        may i ask you to {core}
        do you think you could {core}?
        do me a favor and {core}
        do me a favour: {core}
        be so kind as to {core}
        be a good bot and {core}
        why don't you {core}
        how about you {core}
        how about we {core}
        shall we {core}?
        let me {core}
        let us {core}
        let's just {core}
        i'd love to {core}
        i'd prefer to {core}
        i'd appreciate it if you could {core}
        i wanna {core}
        wanna {core}
        gotta {core}
        i gotta {core}
        gonna {core}
        i'm gonna {core}
        i'm going to {core}
        i'm about to {core}
        i'm trying to {core}
        trying to {core}
        i'm here to {core}
        i'm asking you to {core}
        i was hoping to {core}
        i was hoping you could {core}
        i was thinking we could {core}
        i think i'll {core}
        i think it's time to {core}
        i'll {core}
        i have to {core}
        i must {core}
        i should {core}
        i intend to {core}
        i mean to {core}
        i need you to {core}
        i need help to {core}
        i could use some help to {core}
        i would ask you to {core}
        i've been meaning to {core}
        i finally <want> to {core}
        i changed my mind, i <want> to {core}
        i really need to {core}
        i <want> you to {core} <soon>
        today i <want> to {core}
        we need to {core}
        we want to {core}
        we should {core}
        we'd like to {core}
        we have to {core}
        need to {core}
        need you to {core}
        want to {core}
        have to {core} <soon>
        my goal is to {core}
        my intention is to {core}
        my request: {core}
        my request is to {core}
        the idea is to {core}
        the plan: {core}
        next step: {core}
        all i <want> is to {core}
        all i need is to {core}
        todo: {core}
        request: {core}
        order: {core}
        job for you: {core}
        do this: {core}
        do the following: {core}
        make it happen: {core}
        get this done: {core}
        here's what to do: {core}
        here is my order: {core}
        one thing: {core}
        one more thing, {core}
        small favour: {core}
        it's time to {core}
        <pls> go ahead and {core}
        <pls> help me {core}
        <pls> just {core}
        <pls> can you {core}
        <hey> {core}
        <hey>! {core}
        <hey>, i need you to {core}
        <hey>, could you please {core}?
        <hey>, help me {core} <pls>
        <hey>, i'd like to {core} <soon>
        elver, {core}
        hey elver, can you {core}?
        elver please {core}
        dear assistant, {core}
        bro {core}
        bro can you {core}
        mate, {core}
        buddy, could you {core}
    """,
    "before": """
        i just got paid.
        market looks shaky.
        ok here's the thing.
        been thinking about this all day.
        not sure if it's a good time, but
        my friend told me about this.
        fees are low today, so
        sorry for the late message.
        i saw {asset} at ${number} this morning.
        it's rainy outside.
        lol
        quick request:
        new here, so be patient.
        ~after a long week:
        ~my accountant says so, hence
        ~no idea why i waited with this.
        good morning!
        hope you're well.
        long time no see.
        back again.
        me again.
        it's me again.
        happy friday!
        finally weekend.
        coffee first.
        i'm on my phone, so short:
        typing with one hand.
        sorry for my english.
        sorry, i'm in a hurry.
        sorry to bother you.
        not in a hurry, but
        i have a meeting in five minutes.
        i'm on the train.
        my boss is watching.
        my wife says i should do this.
        my brother does this too.
        a colleague recommended you.
        i read about this on reddit.
        i saw a video about this.
        i just woke up.
        i can't sleep.
        i'm tired of waiting.
        i've thought about it.
        i made up my mind.
        i've had enough of this market.
        i got my bonus.
        i need cash for rent.
        rent is due.
        tax season is near.
        year end is coming.
        the market is crazy today.
        the market is red again.
        green candles everywhere!
        bull market vibes.
        bear market blues.
        everybody is panicking.
        everybody is euphoric.
        volatility is killing me.
        things look good today.
        news just came out.
        cpi is out.
        the fed cut rates.
        i don't trust this pump.
        i don't like what i see.
        i know it's risky, but
        i know what i'm doing.
        this might be a silly idea, but
        don't laugh, but
        no questions asked,
        long story short:
        to make it short:
        as discussed,
        as i said yesterday,
        like we talked about,
        ok next one.
        next thing on my list.
        last thing for today:
        second try:
        let me try again:
        first time doing this.
        i'm a beginner.
        still learning this stuff.
        testing you a bit.
        let's see if this works.
        i lost a bet, so
        i promised it, so
        since gas was {number} gwei all week,
        i have {number} tabs open and no nerves left.
        it's {number} degrees here.
        block {number} just came in.
        my follower number {number} told me this.
        haha ok
        ugh.
        hmm ok
        yo
    """,
    "after": """
        and tell me when it's done
        don't ask me again
        it's urgent
        take your time
        🙏
        🚀🚀
        lol
        i trust you
        that's all
        no rush
        ~and that will be it for today
        ~before i change my mind
        , ok?
        , got it?
        , deal?
        , cool?
        , that's it
        , nothing else
        , nothing more for now
        , sounds good?
        , and be careful
        , carefully
        , i've thought about it
        , i'm sure
        , i really mean it
        , you know me
        , as always
        , as discussed
        , as usual
        , like last time
        , finally
        , for once
        , before lunch
        , i'm in a hurry
        , i'm waiting
        , hurry up
        , no stress
        , whenever you're ready
        , it's important to me
        , this matters
        , my wife agrees
        , my friends do the same
        , don't worry about me
        , i know the risks
        , let me know if something is unclear
        , tell me if it fails
        , show me the details first
        , explain it to me afterwards
        , i'll check it later
        , i'll be back in {number} minutes
        , i'm at {number}% battery
        , sent from my phone
        , bye
        , see you
        , have a nice day
        , you're the best
        , good bot
        , love you
        . thank you so much
        . appreciate it
        . hope that's clear
        . hope that makes sense
        . sorry for the trouble
        . that would help a lot
        . let's go!
        lfg
        haha
        :)
        :D
        👍
        🔥
        💪
        😅
    """,
    "chain": """
        on {chain}
        on {chain}
        on the {chain} network
        over {chain}
        , chain: {chain}
        ~through {chain}
        ~, and do it on {chain}
        via {chain}
        using {chain}
        on the {chain} chain
        on {chain} please
        , on {chain}
        , on {chain} please
        , network {chain}
        , network: {chain}
        , {chain} network
        , {chain} chain
        , {chain}
        ({chain})
        (on {chain})
        [{chain}]
        , use {chain}
        , i use {chain}
        , i'm on {chain}
        , my funds are on {chain}
        , this is on {chain}
        , must be on {chain}
        , {chain} only
        , {chain} if possible
        , only on {chain}
        , make it on {chain}
        with the {chain} network
        in the {chain} network
        - {chain}
        using my {chain} wallet
        on my {chain} account
    """,
    "slippage": """
        with {slippage} <slippage>
        , <slippage> {slippage}
        with max {slippage} slippage
        , slippage at most {slippage}
        and no more than {slippage} slippage
        ~, tolerating {slippage} of slippage
        ~and cap the <slippage> at {slippage}
        with {slippage} max <slippage>
        with a <slippage> of {slippage}
        with at most {slippage} <slippage>
        with up to {slippage} slippage
        with slippage under {slippage}
        with slippage set to {slippage}
        at {slippage} slippage
        at max {slippage} <slippage>
        , {slippage} slippage
        , {slippage} <slippage> max
        , slippage: {slippage}
        , slippage limit {slippage}
        , slippage no higher than {slippage}
        , slippage not over {slippage}
        , slippage must stay under {slippage}
        , max slip {slippage}
        , slip {slippage}
        , set the <slippage> to {slippage}
        , keep <slippage> under {slippage}
        , limit slippage to {slippage}
        , i accept {slippage} slippage
        , i'm fine with {slippage} slippage
        , don't lose more than {slippage} to slippage
        , allow {slippage} slippage
        (slippage {slippage})
        (max {slippage} slippage)
        (<slippage>: {slippage})
        , the price may move {slippage} at most
        , not more than {slippage} worse than the quoted price
    """,
}
