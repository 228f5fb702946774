"""The words of the slides in Chinese, beside those of the page and the tables; English is the key."""

# Metric of a claim of the deck → its words.
METRICS = {
    "rank": "rank",
    "top1": "top-1",
    "best_top1": "top-1 (best epoch)",
    "top5": "top-5",
    "params": "parameters",
    "flops": "“FLOPs” (MACs)",
    "train_time": "training time",
    "param_efficiency": "top-1 per M parameters",
    "flop_efficiency": "top-1 per M “FLOPs” (MACs)",
    "own_design": "own design",
    "mean_top1": "mean top-1",
    "mean_params": "mean parameters",
    "mean_flops": "mean “FLOPs” (MACs)",
    "mean_train_time": "mean training time",
    "delta_top1": "change of top-1",
}
METRICS_ZH = {
    "rank": "排名",
    "top-1": "Top-1",
    "top-1 (best epoch)": "Top-1 (最佳轮次)",
    "top-5": "Top-5",
    "parameters": "参数量",
    "“FLOPs” (MACs)": "“FLOPs”(MACs)",
    "training time": "训练时间",
    "top-1 per M parameters": "参数效率",
    "top-1 per M “FLOPs” (MACs)": "“FLOPs”(MACs) 效率",
    "own design": "自主设计",
    "mean top-1": "平均 Top-1",
    "mean parameters": "平均参数量",
    "mean “FLOPs” (MACs)": "平均“FLOPs”(MACs)",
    "mean training time": "平均训练时间",
    "change of top-1": "Top-1 变化",
}
TITLES = {
    "Advanced convolutions and attention on a ResNet backbone for CIFAR-100": (
        "基于ResNet骨干网络利用先进卷积结构与注意力机制增强CIFAR-100分类性能"
    ),
    "The presentation of 2025, written anew from runs": "2025 年的演示文稿，依据运行记录重新生成",
    "Project and goals": "项目概述与目标",
    "Related work: ten methods": "相关工作 - 十种先进方法概览",
    "Method: one framework for all": "方法设计 - 统一实验框架",
    "Results: accuracy": "核心实验结果 - 整体性能对比",
    "Efficiency and parameters": "效率分析与参数权衡",
    "Training": "训练动态分析",
    "Ablations: what they show": "消融实验核心发现",
    "Findings": "关键发现与技术洞察",
    "Contributions": "创新贡献与技术突破",
    "Thanks": "团队贡献致谢",
    "Future work": "未来工作与展望",
    "Appendix: the first ten": "辅助幻灯片 - 前十名",
    "Appendix: Ghost ratio": "辅助幻灯片 - Ghost 比率",
    "Appendix: components": "辅助幻灯片 - 网络组件",
    "Appendix: more training curves": "辅助幻灯片 - 更多训练曲线",
}
OPENING = {
    "Team: {}": "团队：{}",
    "Presenter: {}": "汇报人：{}",
    "Date: {}": "日期：{}",
    "School: {}": "学校：{}",
    "Not given: {}; in a YAML file:": "未提供：{}；可写入 YAML 文件：",
    "team": "团队",
    "presenter": "汇报人",
    "date": "日期",
    "school": "学校",
    "thanks": "致谢",
    "Who": "成员",
    "What": "工作",
    "Task: {}, {} classes, {} training images and {} evaluated ones": "任务：{}，{} 类，{} 张训练图像，{} 张评估图像",
    "Ten published methods, each on a ResNet backbone or as its authors have it": (
        "十种已发表的方法，基于 ResNet 骨干网络或按原作者的设计"
    ),
    "Compare the deck's 21 variants by accuracy, cost and module": "从准确率、成本与模块比较演示文稿的 21 个变体",
    "Ablations: what each part changes, with its interval and the seeds that would settle it": (
        "消融实验：每个组件带来的变化，附区间与得出结论所需的种子数"
    ),
    "An improved design, judged by the same tests": "改进设计，以同样的检验评判",
    "Compared here: {} runs of {} networks": "此处比较：{} 次运行，{} 个网络",
    "Hardware: {}": "硬件：{}",
    "Software: {}": "软件：{}",
    "Methods": "方法",
    "Method": "方法",
    "Idea": "思想",
    "Source": "出处",
    "Models with runs": "有运行记录的模型",
    "residual blocks: the baselines": "残差模块：基线",
    "7×7 depthwise convolutions in inverted bottlenecks": "倒置瓶颈中的 7×7 深度卷积",
    "attention by convolutions of several sizes": "多尺度卷积构成的注意力",
    "large kernels, chosen at each place": "逐位置选择的大卷积核",
    "convolution first, attention later": "先卷积，后注意力",
    "channel attention by one small convolution": "一个小卷积实现的通道注意力",
    "half of the channels go around the blocks": "一半通道绕过各模块",
    "cheap maps made from a few real ones": "由少量特征图廉价生成其余特征图",
    "recursive gated convolution": "递归门控卷积",
    "attention over groups of channels": "分组通道的注意力",
    "perceptrons over places and over channels": "对位置与通道的感知机",
    "Of the deck's {} variants {} have runs here, all from scratch, steps: {}": (
        "演示文稿的 {} 个变体中有 {} 个在此有运行记录，全部从零训练，步数：{}"
    ),
    "A registry of {} models; a run is declared in one YAML file": "{} 个模型的注册表；每次运行由一个 YAML 文件声明",
    "Composer trains on any number of processes (DDP); the global batch is declared and stays the same": (
        "Composer 以任意数量的进程训练 (DDP)；声明的全局批大小保持不变"
    ),
    "Precision follows the hardware and stands in the record": "精度随硬件而定，并写入记录",
    "Accuracy is that of the last epoch; every image of the evaluation split counts once": (
        "准确率取最后一轮；评估集的每张图像恰好计一次"
    ),
    "Means with 95 % t-intervals over seeds; differences tested, p after Holm; gaps are shown as gaps": (
        "对种子取均值并给出 95 % t 区间；差异经检验，p 值经 Holm 校正；缺失即显示为缺失"
    ),
}
RESULTS = {
    "runs in {}: {}": "{} 中的运行：{}",
    "Deck": "原文稿",
    "Deck: its figure, for its own recipe, with the audit's verdict: ✓ confirmed, ✗ contradicted, ≈ within noise, "
    "? not testable yet.": "原文稿：按其自身训练方案的数字及审核结论：✓ 证实，✗ 不成立，≈ 在噪声内，? 尚无法检验。",
    "These runs are not of the deck's recipe: their accuracies are not comparable with its own.": (
        "这些运行并非按原文稿的训练方案：其准确率不可与原文稿比较。"
    ),
    "Verdicts: paired by seed where two or more are common, else Welch's t-test; p after Holm over the comparisons "
    "with {}.": "结论：共同种子不少于两个时按种子配对，否则用 Welch t 检验；p 值在与 {} 的全部比较内经 Holm 校正。",
    "recipes differ in {}": "训练方案不同之处：{}",
    "the best epoch is the last one": "最佳轮次即最后一轮",
    "Of the deck's {} figures here {} are confirmed, {} contradicted, {} within noise, {} not testable yet.": (
        "此处原文稿的 {} 个数字中：{} 个证实，{} 个不成立，{} 个在噪声内，{} 个尚无法检验。"
    ),
    "{} more do not hold; all of them:": "另有 {} 个不成立；全部见：",
    "{}, {}: the deck says {}; {}": "{}，{}：原文稿为 {}；{}",
    "by the network's definition {}": "按网络的定义为 {}",
    "counted {}": "计数为 {}",
    "by its own figures {}": "按其自身的数字为 {}",
    "its authors' logs have {}": "其作者的日志为 {}",
    "our runs have {}": "我们的运行为 {}",
    "computed from its top-1, not measured": "由其 Top-1 算出，不是测得",
    "No run of {} here; by the deck's recipe:": "此处没有 {} 的运行；按原文稿的训练方案：",
    "No run of an arm of {}: {}; to make them:": "{} 的实验组没有运行：{}；生成命令：",
    "Accuracy of all models": "全部模型的准确率",
    "Accuracy and cost by technique": "各技术类别的准确率与成本",
    "Training times are of several machines: not compared": "训练时间来自不同的设备：不作比较",
    "No training times: the runs shared their device, or recorded none": "无训练时间：各次运行共享设备或未记录",
    "Fastest to train: {}, {} h": "训练最快：{}，{} h",
    "In the middle: {}, {} h": "居中：{}，{} h",
    "Slowest: {}, {} h": "最慢：{}，{} h",
    "No curve: each run was evaluated once or not at all": "没有曲线：每次运行只评估了一次或没有评估",
    "{}: last epoch {} %": "{}：最后一轮 {} %",
    "best epoch {} points above it": "最佳轮次高出 {} 百分点",
    "on training images {} %": "训练图像上 {} %",
    "; ": "；",
    ": ": "：",
    "Training accuracy is measured on augmented (with MixUp, mixed) images in training mode: its gap to evaluation "
    "shows no overfitting by itself.": (
        "训练准确率在训练模式下、对增强 (使用 MixUp 时为混合) 图像测得：与评估的差距本身不说明过拟合。"
    ),
    "Where the best epoch is far above the last one, the best was chosen on the images that it reports.": (
        "最佳轮次明显高于最后一轮时，它是在所报告的图像上挑选出来的。"
    ),
}
FINDINGS = {
    "Blocks of runs under other conditions: {}": "其他条件下的运行组数：{}",
    "Channel attention (ECA)": "通道注意力 (ECA)",
    "Ghost modules": "Ghost 模块",
    "The improved design": "改进设计",
    "Capacity: a deeper ResNet": "容量：更深的 ResNet",
    "Capacity: a large network": "容量：大型网络",
    "Attention of several sizes (MSCA)": "多尺度注意力 (MSCA)",
    "No convolution at all": "完全不用卷积",
    "What our runs show": "我们的运行表明",
    "What the audit found in the deck": "对原文稿的审核发现",
    "bottleneck": "瓶颈结构",
    "kernels": "卷积核",
    "regularisation": "正则化",
    "normalisation": "归一化",
    "activation": "激活函数",
    "Engineering: YAML declares a run, records keep it, tables and this deck are made of records alone": (
        "工程：YAML 声明运行，记录保存运行，表格与本演示文稿只由记录生成"
    ),
    "A resumed run equals an uninterrupted one; augmentation is equal to torchvision's bit by bit": (
        "恢复的运行与未中断的相同；数据增强与 torchvision 逐位相同"
    ),
    "Tuning of AutoAugment and MixUp": "AutoAugment 与 MixUp 的调优",
    "Vision Transformers and knowledge distillation": "Vision Transformer 与知识蒸馏",
    "ImageNet-1K": "ImageNet-1K",
    "Transfer to other tasks": "迁移到其他任务",
    "Interpretability (Grad-CAM)": "可解释性 (Grad-CAM)",
    "Robustness and adversarial attacks": "鲁棒性与对抗攻击",
    "Sources": "来源",
    "Slide {} · {} s": "第 {} 页 · {} 秒",
    "Slide {}": "第 {} 页",
}
DECK = {**METRICS_ZH, **TITLES, **OPENING, **RESULTS, **FINDINGS}
