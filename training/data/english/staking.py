"""English: what moves something into and out of staking."""

TEMPLATES = {
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
        stake {asset} with {venue}, {amount_bare}
        stake {asset}: {amount_bare}
        stake {asset} on {venue}, amount {amount_bare}
        stake the following: {amount} {asset}
        stake {amount} {asset} for rewards
        stake {amount} {asset} for me using {venue}
        stake {amount} {asset} via {venue}
        stake {amount} {asset} from my wallet
        liquid stake {amount} {asset}
        liquid stake {amount} {asset} with {venue}
        lock {amount} {asset} in staking
        lock {amount} {asset} up with {venue} to stake it
        put {amount} {asset} into {venue} staking
        put {amount} {asset} up for staking on {venue}
        send {amount} {asset} into staking with {venue}
        move {amount} {asset} to {venue} for staking
        move {amount} {asset} into a staking position
        use {amount} {asset} for staking
        use {amount} {asset} to earn staking yield on {venue}
        use {venue} for staking {amount} {asset}
        go with {venue} and stake {amount} {asset}
        take {amount} {asset} and stake it
        take {amount} {asset} and stake it with {venue}
        begin staking {amount} {asset}
        get {amount} {asset} staked
        get {amount} {asset} staking on {venue}
        set {amount} {asset} up for staking
        set up staking with {venue} for {amount} {asset}
        open a staking position: {amount} {asset}
        open a stake on {venue} with {amount} {asset}
        create a staking position with {amount} {asset} on {venue}
        make a stake of {amount} {asset}
        add {amount} {asset} to my stake
        add {amount} {asset} to my staking with {venue}
        increase my stake by {amount} {asset}
        increase my {venue} stake by {amount} {asset}
        top up my stake with {amount} {asset}
        earn validator rewards on {amount} {asset} by staking
        secure the network with {amount} {asset} by staking
        support the chain by staking {amount} {asset}
        on {venue}, stake {amount} {asset}
        <stake> {asset} with {venue}: {amount_bare}
        <stake> {amount} {asset} i have
        =stake {amount} {asset} {venue}
        =stake, {venue}, {amount} {asset}
        ={venue} staking, {amount} {asset}
        ={asset} staking, {amount_bare}
        ={asset} staking on {venue}, {amount_bare}
        ={amount} {asset} into staking
        ={amount} {asset} into {venue} staking <pls>
        ={amount} {asset} to stake with {venue}
        ={amount} {asset} should be staked
        ={amount} {asset} should be staked with {venue}
        ={amount} {asset} must go into staking
        ={amount} {asset} can be staked on {venue}
        ={amount} {asset}, stake it
        ={amount} {asset}, stake it on {venue}
        =i want {amount} {asset} staked
        =i want to stake, {amount} {asset}, {venue}
        =i want to earn with {amount} {asset}, stake it
        =i'd like {amount} {asset} staked with {venue}
        =i'd like staking yield on {amount} {asset}
        =i need {amount} {asset} to be staked
        =i'm staking {amount} {asset}
        =i'm going to stake {amount} {asset} on {venue}
        =i won't touch my {asset} for a while, stake {amount_bare}
        =i have idle {asset}, stake {amount_bare}
        =i have {amount} {asset} lying around, stake it
        =i trust {venue}, stake {amount} {asset} there
        =we want to stake {amount} {asset} with {venue}
        =we are staking {amount} {asset}
        =we should stake {amount} {asset}
        =my {asset} does nothing, stake {amount_bare}
        =my {asset} should be staked, {amount_bare}
        =the staking apr is nice, stake {amount} {asset}
        =staking order: {amount} {asset}, {venue}
        =staking {amount} {asset} with {venue}
        =could {amount} {asset} be staked on {venue}
        =mind staking {amount} {asset}
        =how about staking {amount} {asset} with {venue}
        =lemme stake {amount} {asset}
        =gonna stake {amount} {asset} on {venue}
        =asset {asset}, amount {amount_bare}, stake it
        stake something
        stake some {asset}
        stake some {asset} with {venue}
        stake more {asset}
        stake my {asset}
        stake {asset} on {venue}
        stake my tokens
        stake {amount_bare} with {venue}
        stake {amount_bare} on {venue}
        start staking
        start staking with {venue}
        begin staking my {asset} on {venue}
        put my {asset} into staking
        put some {asset} in staking with {venue}
        use {venue} to stake
        use {venue} to stake my {asset}
        earn staking rewards
        earn staking rewards on {asset}
        earn staking rewards with {venue}
        open a staking position
        open a staking position in {asset}
        add to my {asset} stake
        top up my {venue} stake
        increase my stake by {amount_bare}
        get my {asset} staked
        set up staking for {asset} with {venue}
        lock {asset} in staking
        liquid stake my {asset}
        =i want to stake
        =i want staking rewards for my {asset}
        =i'd like my {asset} staked with {venue}
        ={asset} staking please
        =staking with {venue} please
        =my {asset} should be staked
        =we want to stake some {asset}
        ={amount_bare} into staking
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
        unstake {asset}: {amount_bare}
        unstake {asset} from {venue}, {amount_bare}
        unstake {amount} {asset} on {venue}
        unstake {amount} {asset} i have with {venue}
        take {amount} {asset} out of staking
        take {amount} {asset} out of {venue} staking
        take {amount} staked {asset} back
        pull {amount} {asset} from staking
        pull {amount} staked {asset} from {venue}
        pull my {asset} stake from {venue}, {amount_bare}
        withdraw {amount} {asset} from staking
        withdraw {amount} staked {asset}
        withdraw {amount} staked {asset} from {venue}
        withdraw my {asset} stake, {amount_bare}
        withdraw {amount} {asset} from my stake
        remove {amount} {asset} from staking
        remove {amount} {asset} from my {venue} stake
        redeem {amount} staked {asset}
        redeem {amount} staked {asset} with {venue}
        free up {amount} staked {asset} on {venue}
        unlock {amount} staked {asset}
        unlock {amount} {asset} from staking
        get {amount} staked {asset} back
        get {amount} {asset} unstaked
        get {amount} {asset} back from {venue} staking
        get {amount} {asset} out of staking with {venue}
        claim back {amount} staked {asset}
        recover {amount} {asset} from staking
        reclaim {amount} {asset} staked with {venue}
        stop staking {amount} {asset} with {venue}
        stop staking {asset}, {amount_bare}
        stop the staking of {amount} {asset}
        end the stake of {amount} {asset} on {venue}
        end staking for {amount} {asset}
        quit staking {amount} {asset}
        exit staking with {amount} {asset}
        exit {venue} staking, {amount} {asset}
        cancel the staking of {amount} {asset}
        close my {asset} stake, {amount_bare}
        lower my {asset} stake by {amount_bare}
        cut my {venue} stake by {amount} {asset}
        reduce my stake by {amount} {asset}
        decrease my staked {asset} by {amount_bare}
        make {amount} staked {asset} liquid again
        from {venue}, unstake {amount} {asset}
        from staking, take back {amount} {asset}
        <unstake> {asset}: {amount_bare}
        <unstake> {amount} {asset} held with {venue}
        <unstake> {amount} {asset} with {venue}
        =unstake {amount} {asset} {venue}
        =unstake order: {amount} {asset}, {venue}
        =unstake, {venue}, {amount} {asset}
        ={asset} unstaking, {amount_bare}
        ={amount} {asset} out of staking
        ={amount} {asset} out of {venue} staking <pls>
        ={amount} staked {asset} back to my wallet
        ={amount} staked {asset} should be unlocked
        ={amount} {asset} should be unstaked from {venue}
        ={amount} {asset} must come out of staking
        ={amount} {asset}, unstake it
        =i want {amount} {asset} unstaked
        =i want {amount} {asset} out of staking
        =i want to stop staking {amount} {asset}
        =i'd like {amount} {asset} unstaked from {venue}
        =i'd like {amount} staked {asset} in my wallet again
        =i need {amount} {asset} from my stake
        =i need cash, unstake {amount} {asset}
        =i need my {asset} back from {venue} staking, {amount_bare}
        =i'm done staking with {venue}, unstake {amount} {asset}
        =i staked too much {asset}, take {amount_bare} back
        =i staked {asset} with {venue}, now unstake {amount_bare}
        =we need {amount} staked {asset} back
        =we are unstaking {amount} {asset}
        =we should unstake {amount} {asset} from {venue}
        =my {asset} is locked in staking, free {amount_bare}
        =my staked {asset}: unlock {amount_bare}
        =my {asset} stake should shrink by {amount_bare}
        =rewards are too low, unstake {amount} {asset}
        =staking {asset} isn't worth it, unstake {amount_bare}
        =unstaking {amount} {asset} from {venue}
        =could {amount} {asset} be unstaked
        =could {amount} staked {asset} be unlocked from {venue}
        =mind unstaking {amount} {asset}
        =how about unstaking {amount} {asset} with {venue}
        =lemme unstake {amount} {asset}
        =enough staking, get {amount} {asset} back from {venue}
        =asset {asset}, amount {amount_bare}, unstake it
        unstake something
        unstake some {asset}
        unstake some {asset} from {venue}
        unstake my {asset}
        unstake my tokens
        unstake from {venue}
        unstake {amount_bare} from {venue}
        unstake a part of my {asset}
        stop staking
        stop staking with {venue}
        take some {asset} out of staking
        take {amount_bare} out of staking
        take my {asset} out of {venue} staking
        pull my stake
        pull my {asset} from staking
        pull {amount_bare} from {venue} staking
        withdraw my stake
        withdraw my {asset} stake from {venue}
        withdraw staked {asset}
        withdraw some staked {asset} from {venue}
        unlock my staked {asset}
        unlock my stake with {venue}
        free some staked {asset}
        redeem staked {asset} with {venue}
        get my stake back
        get {amount_bare} back from staking
        get some {asset} back from {venue} staking
        reduce my {asset} stake
        cut my stake by {amount_bare}
        make my staked {asset} liquid again
        =i want to unstake
        =i want my stake back from {venue}
        =i'd like some of my staked {asset} back
        ={asset} unstaking please
        =unstaking {asset} from {venue}
        =we need some staked {asset} back
    """,
}
