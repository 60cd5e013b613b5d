"""English: what moves something into and out of vaults."""

TEMPLATES = {
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
        deposit {amount} {asset} to {vault}
        deposit {amount} {asset} to the vault {vault}
        deposit {amount} {asset}, vault {vault}
        deposit {asset} in the {vault} <vault>: {amount_bare}
        deposit to {vault}: {amount} {asset}
        deposit into the {vault} <vault> {amount} {asset}
        put {amount} {asset} into {vault} for yield
        put {amount} {asset} in my {vault} <vault>
        put {asset} in {vault}, {amount_bare}
        put {amount} {asset} to work in {vault}
        put {amount} {asset} in the <vault> called {vault}
        supply {amount} {asset} to the {vault} <vault>
        supply the {vault} <vault> with {amount} {asset}
        lend {amount} {asset} through the {vault} <vault>
        lend out {amount} {asset} via {vault}
        invest {amount} {asset} in the {vault} <vault>
        add {amount} {asset} to the {vault} <vault>
        add {amount} {asset} to my position in {vault}
        allocate {amount} {asset} to the {vault} <vault>
        move {amount} {asset} into the {vault} <vault>
        move {asset} to the {vault} <vault>, {amount_bare}
        send {amount} {asset} to the {vault} <vault>
        transfer {amount} {asset} into the {vault} <vault>
        lock {amount} {asset} in {vault}
        fill the {vault} <vault> with {amount} {asset}
        feed {amount} {asset} into {vault}
        feed the {vault} <vault> {amount} {asset}
        top up my {vault} <vault> with {amount} {asset}
        open a deposit in {vault} with {amount} {asset}
        open a {vault} vault position with {amount} {asset}
        start earning on {amount} {asset} in the {vault} <vault>
        earn with {amount} {asset} in {vault}
        earn interest on {amount} {asset} with the {vault} <vault>
        earn apy on {amount} {asset} through {vault}
        farm yield with {amount} {asset} in {vault}
        get yield on {amount} {asset} from the {vault} <vault>
        get {vault} vault shares for {amount} {asset}
        mint {vault} vault shares with {amount} {asset}
        buy into the {vault} <vault> with {amount} {asset}
        enter the {vault} <vault> with {amount} {asset}
        go into {vault} with {amount} {asset}
        use the {vault} <vault> for {amount} {asset}
        use {vault} to earn yield on {amount} {asset}
        take {amount} {asset} and deposit it in {vault}
        take {amount} {asset} and put it in the {vault} <vault>
        save {amount} {asset} in {vault}
        into {vault}, <deposit> {amount} {asset}
        <deposit> {asset} in the {vault} <vault>, {amount_bare}
        <deposit> {amount} {asset} from my wallet into {vault}
        <deposit> {amount} {asset} into {vault} to earn
        <deposit> {amount} {asset} in the <vault> {vault}
        =deposit {amount} {asset} {vault}
        =deposit: {amount} {asset}, vault: {vault}
        =vault deposit, {vault}, {amount} {asset}
        =deposit order: vault {vault}, asset {asset}, amount {amount_bare}
        ={vault} <vault>: deposit {amount} {asset}
        ={amount} {asset} into {vault} for yield
        ={amount} {asset} -> {vault} vault
        ={amount} {asset} to the {vault} <vault> <pls>
        ={amount} {asset} should go into {vault}
        ={amount} {asset} must be deposited in the {vault} <vault>
        ={amount} {asset} is for the {vault} <vault>, deposit it
        =i want to earn yield with {vault}, deposit {amount} {asset}
        =i want {amount} {asset} deposited into {vault}
        =i'd like {amount} {asset} in {vault}
        =i'd like to be in the {vault} <vault> with {amount} {asset}
        =i like the {vault} <vault>, put {amount} {asset} there
        =i have {amount} {asset} idle, deposit it in {vault}
        =i need yield on {amount} {asset}, use {vault}
        =i'm putting {amount} {asset} in {vault}
        =i'm moving {amount} {asset} to the {vault} <vault>
        =we want to deposit {amount} {asset} in {vault}
        =we are adding {amount} {asset} to the {vault} <vault>
        =my {asset} is idle, <deposit> {amount_bare} into {vault}
        =my {asset} should be in the {vault} <vault>, {amount_bare}
        =my {vault} <vault> needs {amount} {asset} more
        =the {vault} <vault> pays well, deposit {amount} {asset}
        =the apy of {vault} is great, so deposit {amount} {asset}
        =depositing {amount} {asset} into {vault}
        =could {amount} {asset} be put in {vault}
        =mind depositing {amount} {asset} in {vault}
        =how about {amount} {asset} in the {vault} <vault>, do it
        =lemme put {amount} {asset} into {vault}
        =gonna deposit {amount} {asset} into the {vault} <vault>
        =new deposit: {amount} {asset} in {vault}
        make a deposit
        make a deposit into {vault}
        make a vault deposit of {amount} {asset}
        deposit some {asset}
        deposit some {asset} into {vault}
        deposit {asset}
        deposit my {asset} in a vault
        deposit {amount_bare} into {vault}
        deposit {amount_bare} in the {vault} <vault>
        deposit something in {vault}
        deposit {amount} {asset} somewhere for yield
        deposit {amount} {asset} in one of the vaults
        put my {asset} in {vault}
        put {amount} {asset} in a vault
        put some {asset} into the {vault} <vault>
        lend {amount} {asset} through a vault
        lend my {asset} via {vault}
        supply {asset} to {vault}
        invest in the {vault} <vault>
        earn yield on my {asset} in a vault
        earn yield with {vault}
        earn interest on {amount} {asset} with some vault
        open a vault position with {amount} {asset}
        top up my {vault} <vault>
        top up {vault} by {amount_bare}
        top up my vault with {amount} {asset}
        add {asset} to the {vault} <vault>
        add {amount} {asset} to my vault
        move {amount} {asset} to a yield vault
        move my {asset} into the {vault} <vault>
        enter the {vault} <vault>
        =i want my {asset} in {vault}
        =i want my {asset} to earn yield in a vault
        ={asset} into the {vault} <vault>
        ={amount} {asset} into a vault
        =vault deposit please
        =deposit into {vault} <pls>
        =we want to deposit {asset}
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
        withdraw {amount} {asset}, vault {vault}
        withdraw from {vault}: {amount} {asset}
        withdraw from the {vault} <vault> {amount} {asset}
        withdraw {asset} from the {vault} <vault>: {amount_bare}
        withdraw my {vault} deposit in {asset}, {amount_bare}
        withdraw {amount} {asset} that i have in {vault}
        take {amount} {asset} out of the {vault} <vault>
        take {amount} {asset} back from {vault}
        take my {asset} from {vault}, {amount_bare}
        pull {amount} {asset} back from {vault}
        pull {amount} {asset} from my {vault} <vault>
        pull {asset} from the {vault} <vault>, {amount_bare}
        get {amount} {asset} out of {vault}
        get my {asset} out of {vault}: {amount_bare}
        get {amount} {asset} from my {vault} deposit
        cash out of {vault}, {amount} {asset}
        cash out of the {vault} <vault>: {amount} {asset}
        redeem {amount} {asset} from the {vault} <vault>
        redeem {vault} shares for {amount} {asset}
        redeem my {vault} vault shares, {amount} {asset}
        burn {vault} vault shares for {amount} {asset}
        exit {vault} with {amount} {asset}
        exit the {vault} <vault>, {amount} {asset}
        leave the {vault} <vault> with {amount} {asset}
        remove {amount} {asset} from {vault}
        remove {amount} {asset} from my {vault} vault position
        recall {amount} {asset} from {vault}
        recover {amount} {asset} from the {vault} <vault>
        claim {amount} {asset} back from {vault}
        free {amount} {asset} from the {vault} <vault>
        unlock {amount} {asset} from {vault}
        move {amount} {asset} from {vault} to my wallet
        move {amount} {asset} out of the {vault} <vault> into my wallet
        send {amount} {asset} from {vault} back to me
        send {amount} {asset} from the {vault} <vault> to my wallet
        return {amount} {asset} from {vault} to my wallet
        stop earning with {vault}, withdraw {amount} {asset}
        end my deposit in {vault}, {amount} {asset}
        draw {amount} {asset} from {vault}
        collect {amount} {asset} from the {vault} <vault>
        from {vault}, <withdraw> {amount} {asset}
        from the {vault} <vault>, <withdraw> {amount} {asset}
        <withdraw> {asset} from {vault}, {amount_bare}
        <withdraw> {amount} {asset} i put in {vault}
        <withdraw> {amount} {asset} from my {vault} <vault>
        <withdraw> {amount} {asset} from my position in {vault}
        =withdraw {amount} {asset} {vault}
        =withdraw: {amount} {asset}, vault: {vault}
        =withdrawal from {vault}, {amount} {asset}
        =withdrawal order: vault {vault}, asset {asset}, amount {amount_bare}
        ={vault} <vault>: withdraw {amount} {asset}
        ={amount} {asset} out of {vault}
        ={amount} {asset} from {vault} to my wallet
        ={amount} {asset} back from the {vault} <vault> <pls>
        ={amount} {asset} should come out of {vault}
        ={amount} {asset} must be withdrawn from the {vault} <vault>
        ={amount} {asset} in {vault} should be redeemed
        =i want {amount} {asset} out of {vault}
        =i want {amount} {asset} back from the {vault} <vault>
        =i want my {asset} out of {vault}, {amount_bare}
        =i want out of the {vault} <vault>, {amount} {asset}
        =i'd like {amount} {asset} from {vault} in my wallet
        =i'd like {amount} {asset} back from {vault}
        =i need cash, withdraw {amount} {asset} from {vault}
        =i need {amount} {asset} out of the {vault} <vault>
        =i need {amount} {asset}, take it from {vault}
        =i don't trust {vault} anymore, withdraw {amount} {asset}
        =i'm done with {vault}, withdraw {amount} {asset}
        =i'm taking {amount} {asset} out of {vault}
        =i deposited {asset} in {vault}, now withdraw {amount_bare}
        =i have {asset} in the {vault} <vault>, take {amount_bare} out
        =we need {amount} {asset} from the {vault} <vault>
        =we want to withdraw {amount} {asset} from {vault}
        =we are pulling {amount} {asset} from {vault}
        =my deposit in {vault}: take {amount} {asset} out
        =my {asset} sits in {vault}, get {amount_bare} out
        =the {vault} <vault> pays too little, withdraw {amount} {asset}
        =the yield in {vault} dropped, so pull {amount} {asset}
        =withdrawing {amount} {asset} from {vault}
        =pulling {amount} {asset} from the {vault} <vault>
        =could {amount} {asset} be withdrawn from {vault}
        =mind withdrawing {amount} {asset} from {vault}
        =lemme take {amount} {asset} out of {vault}
        =gonna pull {amount} {asset} from the {vault} <vault>
        =get me {amount} {asset} from the {vault} <vault>
        =give me back {amount} {asset} from {vault}
        make a withdrawal
        make a withdrawal from {vault}
        make a withdrawal of {amount} {asset}
        withdraw some {asset}
        withdraw some {asset} from {vault}
        withdraw {asset}
        withdraw from {vault}
        withdraw from the {vault} <vault>
        withdraw {amount_bare} from {vault}
        withdraw {amount_bare} from the {vault} <vault>
        withdraw my {asset} from the vault
        withdraw my deposit
        withdraw my deposit from {vault}
        withdraw {amount} {asset} from one of my vaults
        take my {asset} out of {vault}
        take some {asset} out of the {vault} <vault>
        take {amount} {asset} out of that vault i use
        take {amount_bare} out of the {vault} <vault>
        pull my {asset} from {vault}
        pull {amount} {asset} from my vault
        pull some {asset} out of the {vault} <vault>
        pull something from {vault}
        redeem my vault shares
        redeem some {vault} vault shares
        redeem {amount} {asset} from a vault
        get my {asset} back from {vault}
        get some {asset} from my {vault} <vault>
        get {amount} {asset} back from the vault
        cash out of {vault}
        cash out some {asset} from {vault}
        =i want my {asset} out of {vault}
        =i need {asset} from my {vault} <vault>
        =i need {amount} {asset} from the vault
        ={asset} out of {vault} <pls>
        ={amount} {asset} out of a vault
        =withdrawal from {vault} please
        =we want to withdraw {asset}
    """,
}
