"""English: what moves something into and out of liquidity pools."""

TEMPLATES = {
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
        provide {amount} {asset} and {other_amount} {other} to the pool on {venue}
        provide liquidity with {amount} {asset} and {other}
        provide liquidity in {asset}/{other}, {amount} {asset}
        provide liquidity to {asset}-{other} on {venue} with {amount} {asset}
        provide liquidity for {asset} and {other}: {amount} {asset}, {other_amount} {other}
        supply the {asset}/{other} <pool> with {amount} {asset}
        fund the {asset}/{other} <pool> with {amount} {asset}
        seed the {asset}/{other} <pool> with {amount} {asset}
        feed {amount} {asset} to the {asset}-{other} <pool>
        top up the {asset}/{other} <pool> with {amount} {asset}
        deposit {amount} {asset} into the {asset}/{other} <pool>
        deposit {amount} {asset} and {other_amount} {other} into the {venue} pool
        put {amount} {asset} in the {asset}-{other} pool on {venue}
        put {amount} {asset} and {other_amount} {other} into a liquidity pool
        put {amount} {asset} to work in the {asset}/{other} <pool>
        park {amount} {asset} in the {asset} {other} lp
        lp {amount} {asset} and {other_amount} {other}
        lp {amount} {asset} and {other_amount} {other} on {venue}
        lp {asset}/{other} on {venue}, {amount} {asset}
        lp into {asset}/{other} with {amount} {asset}
        lp on {venue}: {asset}/{other}, {amount} {asset}
        go lp with {amount} {asset} and {other_amount} {other}
        open an lp position in {asset}/{other} with {amount} {asset}
        open a {asset}/{other} liquidity position on {venue} with {amount} {asset}
        create an lp position on {venue}: {amount} {asset} and {other_amount} {other}
        start providing liquidity in {asset}/{other} with {amount} {asset}
        become a liquidity provider for {asset}/{other} using {amount} {asset}
        mint lp tokens of {asset}/{other} with {amount} {asset}
        mint a {venue} lp position: {amount} {asset} and {other_amount} {other}
        farm fees in the {asset}/{other} <pool> with {amount} {asset}
        earn trading fees on {amount} {asset} in the {asset}/{other} <pool>
        earn swap fees with {amount} {asset} and {other_amount} {other} in a pool
        pool {amount} {asset} together with {other} on {venue}
        pool {asset} and {other}, {amount} {asset}
        pair up {amount} {asset} and {other_amount} {other} on {venue}
        pair {amount} {asset} with {other_amount} {other} in a pool
        match {amount} {asset} with {other} for an lp position
        combine {amount} {asset} and {other_amount} {other} into an lp position on {venue}
        use {amount} {asset} and {other} as liquidity on {venue}
        use {amount} {asset} to lp in {asset}/{other}
        use {amount} {asset} as liquidity for the {asset}/{other} <pool>
        <add> to the {asset}/{other} <pool>: {amount} {asset}
        <add> to my {asset}/{other} lp position, {amount} {asset}
        <add> {amount} {asset} to my {asset}-{other} liquidity on {venue}
        <add> {amount} {asset} with {other} to a pool on {venue}
        <add> {amount} {asset} alongside {other_amount} {other} as liquidity on {venue}
        <add> liquidity in the {asset}/{other} market using {amount} {asset}
        <add> liquidity: {asset}/{other}, {amount} {asset}
        <add> {amount} {asset} and the matching {other} to the <pool>
        <add> {amount} {asset} and whatever {other} it needs to the pool on {venue}
        on {venue}, <add> {amount} {asset} to the {asset}/{other} <pool>
        increase my {asset}/{other} liquidity by {amount} {asset}
        grow my lp in {asset}/{other} by {amount} {asset}
        deepen the {asset}/{other} <pool> by {amount} {asset}
        =lp: {amount} {asset} and {other_amount} {other}
        =lp {venue} {asset}/{other} {amount} {asset}
        =pool {asset}/{other}, add {amount} {asset}
        ={asset}/{other} pool on {venue}: add {amount} {asset}
        ={asset}/{other} lp, {amount} {asset} in
        ={amount} {asset} and {other_amount} {other} into the pool
        ={amount} {asset} into the {asset}/{other} <pool>
        ={amount} {asset} to {asset}/{other} liquidity on {venue}
        ={amount} {asset} should go in the {asset}/{other} <pool>
        ={amount} {asset} and {other_amount} {other} must be added to the {venue} pool
        =i want to lp {amount} {asset} with {other}
        =i want {amount} {asset} in the {asset}/{other} <pool> on {venue}
        =i want to be an lp in {asset}/{other}, use {amount} {asset}
        =i want to provide liquidity: {amount} {asset} and {other_amount} {other}
        =i'd like {amount} {asset} and {other_amount} {other} in a liquidity pool
        =i have {amount} {asset} and {other_amount} {other}, lp them
        =i have {amount} {asset} for the {asset}/{other} <pool>, add it
        =we want to provide {amount} {asset} to the {asset}/{other} <pool>
        =my {asset} and {other} should earn fees, lp {amount} {asset}
        =my lp in {asset}/{other} needs {amount} {asset} more
        =new lp position: {amount} {asset}, {other_amount} {other}, {venue}
        =pool: {asset}/{other}, venue: {venue}, add: {amount} {asset}
        =the {asset}/{other} <pool> on {venue} looks good, add {amount} {asset}
        =the fees in {asset}/{other} are great, so lp {amount} {asset}
        =providing {amount} {asset} and {other_amount} {other} as liquidity
        =adding {amount} {asset} to the {asset}/{other} <pool>
        =could {amount} {asset} be added to the {asset}/{other} <pool>
        =mind adding {amount} {asset} as liquidity to {asset}/{other}
        =lemme lp {amount} {asset} with {other}
        =make me an lp in {asset}/{other}, {amount} {asset}
        provide liquidity
        provide liquidity on {venue}
        provide liquidity in {asset}/{other}
        provide liquidity with my {asset}
        provide some liquidity to {asset}/{other}
        provide {amount} {asset} as liquidity on {venue}
        become an lp
        become an lp in {asset}/{other}
        become a liquidity provider on {venue}
        lp {amount} {asset}
        lp my {asset} on {venue}
        lp my {asset} with {other}
        lp {asset} and {other}
        lp on {venue}
        open an lp position on {venue}
        open an lp position in {asset}/{other}
        put {amount} {asset} in a pool
        put {amount} {asset} into a liquidity pool on {venue}
        put my {asset} in the {asset}/{other} <pool>
        put some {asset} into the {asset}/{other} <pool> on {venue}
        pair {amount} {asset} with something in a pool
        pool my {asset} with {other}
        earn fees as an lp with {amount} {asset}
        earn trading fees on my {asset} in a pool
        earn lp fees
        farm fees in the {asset}/{other} <pool>
        <add> some liquidity to {asset}/{other} on {venue}
        <add> a bit more {asset} to my {asset}/{other} lp
        <add> liquidity
        <add> {asset} and {other} as liquidity
        <add> {amount} {asset} to a pool
        =i want to lp my {asset}
        =i want to be an lp on {venue}
        =liquidity for {asset}/{other} please
        =lp {asset}/{other} <pls>
        =my {asset} and {other} should go into a pool
        ={amount} {asset} into a pool on {venue}
        =make me a liquidity provider
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
        take {amount} {asset} out of the {asset}/{other} <pool>
        take out liquidity in {asset}/{other} on {venue}, {amount_bare}
        pull {amount} {asset} from the {asset}/{other} pool on {venue}
        pull {amount_bare} from my {asset}/{other} lp
        pull {amount} liquidity out of {asset}-{other}
        withdraw {amount_bare} from the {asset}/{other} <pool>
        withdraw {amount} {asset} and the matching {other} from the <pool>
        withdraw my lp from {asset}/{other}, {amount_bare}
        get {amount} liquidity back from {asset}/{other}
        get {amount} {asset} back from the {asset}/{other} <pool>
        cash out {amount} lp position in {asset}/{other}
        close out {amount} {asset}/{other} lp
        close my {asset}/{other} lp on {venue}, {amount_bare}
        exit my lp in {asset}/{other}, {amount_bare}
        leave the {asset}/{other} <pool>, taking {amount_bare}
        quit the {asset}-{other} <pool>, {amount_bare}
        redeem {amount} lp tokens for {asset} and {other}
        redeem {amount} {asset}/{other} lp tokens on {venue}
        burn {amount} {asset}/{other} lp tokens
        burn my {asset}/{other} lp tokens, {amount_bare}
        break up {amount} {asset}/{other} lp position
        break {amount} lp tokens back into {asset} and {other}
        unpool {amount} {asset} from {asset}/{other}
        unlp {amount_bare} from {asset}/{other}
        dissolve {amount} position in the {asset}/{other} <pool>
        shrink my {asset}/{other} lp by {amount_bare}
        scale down my {asset}/{other} liquidity on {venue} by {amount_bare}
        cut my lp in {asset}/{other} by {amount_bare}
        stop providing liquidity in {asset}/{other}, take out {amount_bare}
        <remove> {amount_bare} from the {asset}/{other} <pool>
        <remove> {amount_bare} from my liquidity in {asset}/{other} on {venue}
        <remove> my {asset}/{other} liquidity, {amount_bare}
        <remove> my {asset}/{other} lp on {venue}: {amount_bare}
        <remove> {amount} liquidity i have in {asset}/{other}
        <remove> {amount} {asset} from the {asset}/{other} <pool> on {venue}
        from the {asset}/{other} <pool>, <remove> {amount_bare}
        on {venue}, <remove> {amount} liquidity from {asset}/{other}
        =remove liquidity, {asset}/{other}, {amount_bare}
        =remove lp {venue} {asset}/{other} {amount_bare}
        =liquidity out of {asset}/{other}, {amount_bare}
        ={amount_bare} out of the {asset}/{other} <pool>
        ={amount} {asset} out of the {asset}/{other} <pool> <pls>
        ={amount} liquidity in {asset}/{other} should be withdrawn
        ={amount} {asset}/{other} lp tokens can be burned
        =i want out of the {asset}/{other} <pool>, {amount_bare}
        =i want my {asset} and {other} back from the <pool>, {amount_bare}
        =i want {amount} liquidity in {asset}/{other} back
        =i'm done lping {asset}/{other}, withdraw {amount_bare}
        =i'm tired of impermanent loss in {asset}/{other}, pull {amount_bare}
        =i need {amount} {asset} back from the {asset}/{other} <pool>
        =i no longer like the {asset}/{other} <pool>, take {amount_bare} out
        =we are leaving the {asset}/{other} <pool>, {amount_bare}
        =we should take {amount} liquidity out of {asset}/{other}
        =my lp in {asset}/{other} should be closed, {amount_bare}
        =my {asset}/{other} lp on {venue} needs to shrink by {amount_bare}
        =impermanent loss is killing me in {asset}/{other}, <remove> {amount_bare}
        =the {asset}/{other} <pool> pays too little, <remove> {amount_bare}
        =closing {amount} lp position in {asset}/{other}
        =pulling {amount} liquidity from {asset}/{other}
        =could {amount} liquidity be taken out of {asset}/{other}
        =mind pulling {amount_bare} from the {asset}/{other} <pool>
        =lemme pull {amount_bare} from the {asset}/{other} lp
        =no more lp in {asset}/{other}, get {amount_bare} out
        =enough of {asset}/{other}, burn {amount} lp tokens
        =pool: {asset}/{other}, action: remove, amount: {amount_bare}
        remove liquidity
        remove my liquidity on {venue}
        remove {amount} liquidity on {venue}
        remove some liquidity
        remove some liquidity from {asset}/{other}
        remove {amount} {asset} from the pool
        remove {amount} {asset} liquidity
        remove my {asset} liquidity
        take some {asset} out of the pool
        take {amount_bare} out of the pool
        take some liquidity out of {asset}/{other} on {venue}
        pull my liquidity
        pull my {asset}/{other} liquidity
        pull {amount_bare} from my lp
        pull {amount} {asset} from a pool on {venue}
        withdraw my lp tokens from {venue}
        withdraw liquidity from the {asset}/{other} <pool>
        cash out my lp
        burn {amount} lp tokens
        burn some {asset}/{other} lp tokens
        redeem my lp tokens on {venue}
        take part of my liquidity in {asset}/{other}
        shrink my {asset}/{other} lp
        get my {asset} back from the pool
        stop being an lp
        =i want to take out liquidity
        =i want some of my {asset}/{other} liquidity back
        =i don't want to be an lp anymore
        =my lp on {venue}, take it out
        =liquidity out please
        ={amount_bare} off my lp
        =pulling liquidity from {asset}/{other}
    """,
}
