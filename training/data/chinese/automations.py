"""Chinese: rules and schedules, whole or with a gap."""

TEMPLATES = {
    "automation": """
        =<when>{trigger}，就{then}
        =<when>{trigger}，{then}
        =<when>{trigger}的时候{then}
        ={trigger}时{then}
        ={trigger}就{then}
        设置自动化：<when>{trigger}，{then}
        建一个规则：{trigger}就{then}
        =帮我盯着，<when>{trigger}就{then}
        ~=若见{trigger}，立即{then}
        ~=直到{trigger}再{then}
    """,
    "schedule": """
        ={trigger}{then}
        ={trigger}，{then}
        ={trigger}帮我{then}
        =定投：{trigger}{then}
        设置定时任务，{trigger}{then}
        ~=固定{trigger}{then}
    """,
    "notify": """
        <alert>
        <alert>
        发消息给我
        ~跟我说一声
    """,
    "automation.when": """
        自动{then}
        设置自动化来{then}
        等合适的时候{then}
        时机好的时候{then}
        ~看着办，自动{then}
    """,
    "automation.value": """
        =<when>{asset}跌得<vague_value>就{then}
        =<when>{asset}够便宜了就{then}
        =等gas低了就{then}
        ~=<when>{asset}暴跌，{then}
    """,
    "automation.then": """
        =<when>{trigger}，你看着处理
        =<when>{trigger}，就做点什么
        =设置自动化，<when>{trigger}
        ~=<when>{trigger}，做出反应
    """,
}
