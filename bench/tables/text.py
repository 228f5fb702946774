"""The words of the tables in English, which is their key, and in Chinese; headings stand with their columns."""

from collections.abc import Mapping

from bench.analysis import stats
from bench.analysis.cells import Phrase

LANGUAGES = ("en", "zh")

COMPONENTS = {
    "Stem": "Stem",
    "Blocks": "模块数",
    "Block": "模块",
    "Bottleneck": "瓶颈结构",
    "Kernel": "卷积核",
    "Norm": "归一化",
    "Activation": "激活函数",
    "Regularisation": "正则化",
}
WORDS = {
    "yes": "是",
    "no": "否",
    "none": "无",
    "base": "基线",
    "better": "更好",
    "worse": "更差",
    "not distinguishable": "无法区分",
    "same network": "同一网络",
    "not tested": "未检验",
    "settled": "已确定",
    "more than {}": "多于 {}",
    "healthy": "正常",
    "low": "偏低",
    "suspicious": "可疑",
    "below": "低于",
    "above": "高于",
    "light": "轻量",
    "deck": "演示文稿",
    "params": "参数量",
    "MACs": "MACs",
    "time": "时间",
    "dataset": "数据集",
    "split": "划分",
    "steps": "步数",
    "batch": "批大小",
    "augmentation": "数据增强",
    "optimizer": "优化器",
    "lr": "学习率",
    "weight decay": "权重衰减",
    "schedule": "学习率调度",
    "algorithms": "训练算法",
    "teacher": "教师网络",
    "weights": "初始权重",
    "start": "起点",
    "precision": "精度",
    "stem": "stem",
    "machine": "设备",
    "basic resnet": "基础 ResNet",
    "attention": "注意力机制",
    "lightweight": "轻量化",
    "modern convolution": "现代卷积",
    "hybrid and advanced": "混合与先进架构",
    "mlp": "MLP",
    "transformer": "Transformer",
    "with {}": "加 {}",
    "without {}": "去掉 {}",
    "with {}, without {}": "加 {}，去掉 {}",
    "{} {}": "{} {}",
    "{} {:g}": "{} {:g}",
    "{}: {}": "{}：{}",
}
REASONS = {
    "'{}' was not recorded": "未记录“{}”",
    "no evaluations over time were recorded": "未记录随时间的评估",
    "the runs do not agree on '{}'": "各次运行的“{}”不一致",
    "Not shown, since no row has it: {} ({})": "未列出，因为没有任何一行有该值：{} ({})",
    "the runs were trained on several machines": "各次运行使用了不同的设备",
    "its device was shared, so its times do not count ({})": "训练时设备被共享，时间不计 ({})",
    "the runs were measured on several machines": "各次运行在不同的设备上测量",
    "not measured: python -m bench.evaluate RUN --what {}": "未测量：python -m bench.evaluate RUN --what {}",
    "nothing to rank it by": "没有排名依据",
    "health: not judged, because the band was made of these runs": "健康度：未评判，因为区间即由这些运行得出",
    "not described": "未描述",
    "not known of every network": "并非每个网络都有该数据",
    "no finished run in this block": "本组中没有已完成的运行",
    "no base to compare with in this block": "本组中没有可比较的基线",
    "no common seed was computed in the same precision": "没有以相同精度计算的共同种子",
    "not tested: the same network": "未检验：同一网络",
    "the spread is not known from one run an arm": "每组只有一次运行，离散程度未知",
    "the runs were measured on several numbers of images, or by several versions": "各次运行的评估图像数或评估版本不同",
    "reached by {} of {} runs; the others count with their whole time, so the mean is a lower bound": (
        "{1} 次运行中有 {0} 次达到；其余按全部时间计，故均值为下界"
    ),
    stats.ONE_RUN: "仅一次运行 (n = 1)：没有区间",
    stats.FEW_RUNS: f"少于 {stats.MIN_BOOTSTRAP} 次运行：没有 bootstrap 区间",
    stats.NO_SPREAD: "各次运行没有差异：无法检验",
}
LINES = {
    "Not evaluated, nor comparable with what was: {}": "未评估，且与已评估者不可比：{}",
    "Mean ± 95 % t-interval over n seeds, of the weights of the headline.": (
        "均值 ± 95 % t 区间 (n 个种子)，对应主结果的权重。"
    ),
    "Mean ± 95 % t-interval over n seeds; accuracy of the last epoch on the evaluation split.": (
        "均值 ± 95 % t 区间 (n 个种子)；准确率取最后一轮在评估集上的结果。"
    ),
    "Costs are of one image; 1 MAC (multiply-accumulate) = 2 FLOPs.": "计算量以单张图像计；1 MAC (乘加) = 2 FLOPs。",
    "Ranks order the means; rows of different blocks are not ranked together.": "排名按均值；不同组的行不一起排名。",
    "A rank is a range where intervals overlap, that is the places that they leave open; a row without an interval "
    "counts at its mean. Rows of different blocks are not ranked together.": (
        "区间重叠时排名为一个范围，即区间所允许的名次；没有区间的行按其均值计。不同组的行不一起排名。"
    ),
    "For its rank, a row of one run is given the spread over seeds of its block's other rows, if any.": (
        "仅一次运行的行在排名时采用同组其他行的种子间离散程度 (如有)。"
    ),
    "Ranked across recipes that differ in steps, batch, augmentation or data (--allow-mixed).": (
        "排名跨越步数、批大小、数据增强或数据不同的训练方案 (--allow-mixed)。"
    ),
    "Best epoch: a diagnostic, chosen on the split that it reports; it is no result.": (
        "最佳轮次仅供诊断：它在所报告的划分上选出，不是结果。"
    ),
    "A device is a GPU, or the whole machine where there is none (a run on some of its cores counts as that share of "
    "it); training cost = FLOPs of all passes: 3 × forward FLOPs × images seen where no algorithm changes them.": (
        "设备指一块 GPU，没有 GPU 时指整台机器（只用部分核心时按比例计）；训练成本 = 全部前向与反向传播的 FLOPs，"
        "没有算法改变它时为 3 × 前向 FLOPs × 训练图像数。"
    ),
    "Checkpoints: the time that saving them took, in per cent of the train time.": (
        "检查点：保存所用时间占训练时间的百分比。"
    ),
    "Train time excludes start-up, evaluation and checkpoints; total time includes them.": (
        "训练时间不含启动、评估和检查点；总时间包含它们。"
    ),
    "An interval in brackets is a bootstrap over runs, given from 5 runs on.": (
        "方括号内为对各次运行的 bootstrap 区间，至少 5 次运行时给出。"
    ),
    "Pareto front: no row of the block is as accurate at a lower cost of that kind.": (
        "Pareto 前沿：本组中没有其他行以更低的该项成本达到同样的准确率。"
    ),
    "Δ = arm − base in points, with its 95 % interval (not adjusted) by Welch's t-test; p after Holm in the block.": (
        "Δ = 实验组 − 基线 (百分点)，95 % 区间 (未校正) 由 Welch t 检验给出；p 值在组内经 Holm 校正。"
    ),
    "Δ = arm − base in points over common seeds (of one precision), paired t-test, unadjusted 95 % CI; p after Holm.": (
        "Δ = 相同种子且精度相同时实验组 − 基线 (百分点)，95 % 区间 (未校正) 由配对 t 检验给出；p 值经 Holm 校正。"
    ),
    "Seeds needed: seeds an arm for 80 % power at p = 0.05 / comparisons, if difference and spread are as seen.": (
        "所需种子数：若差异与离散程度如目前所见，p = 0.05 除以比较次数时达到 80 % 功效时每组所需的种子数。"
    ),
    "its recipe differs from the base's: {}": "训练方案与基线不同：{}",
    "paired t-test": "配对 t 检验",
    "Welch's t-test": "Welch t 检验",
    "No finished runs of two arms of this ablation under the same conditions.": (
        "该消融实验尚无两个实验组在相同条件下完成的运行。"
    ),
    "Noise floor: one network and recipe under several names": "噪声水平：同一网络与方案的不同名称",
    "standard deviation over the seeds of this network: {} points": "该网络各种子间的标准差：{} 百分点",
    "equal seed by seed: the same runs under two names show no noise": "逐种子相同：两个名称下是同样的运行，不反映噪声",
    "the same network and recipe under the names {}": "同一网络与训练方案的不同名称：{}",
    "{} (processes: {})": "{} (进程数：{})",
    "{} (processes: {}, parts of a batch: {})": "{} (进程数：{}，每批分为 {} 份)",
    "seed {} computed by {} until step {}, then by {}": "种子 {0}：第 {2} 步之前由 {1} 计算，之后由 {3} 计算",
    "Recipe unless noted: {}": "除注明外的训练方案：{}",
    "Train seconds until an evaluation first showed the target top-1, and training PFLOP of the whole run.": (
        "首次评估达到目标 Top-1 准确率所用的训练秒数，以及整次训练的 PFLOP。"
    ),
    "Means over networks, each the mean of its runs; brackets are the lowest and highest network, no interval.": (
        "各网络均值的平均，网络均值为其各次运行的平均；方括号内为最低与最高的网络，不是区间。"
    ),
    "A network counts once, by the recipe nearest to the others'; left out are ablation arms, models with unusual "
    "options, and runs with a teacher or from trained weights.": (
        "每个网络只计一次，取与其他网络最接近的训练方案；不含消融实验组、选项特殊的模型，以及有教师网络或从已训练权重开始的运行。"
    ),
    "The recipes of a technique's models may differ in what the comparison footnotes.": (
        "同一类别的模型在训练方案上可能有差异，见综合对比的脚注。"
    ),
    "Read off the built networks (python -m bench.zoo.components --update); one block stands for all.": (
        "由构建好的网络读出 (python -m bench.zoo.components --update)；以一个模块代表全部。"
    ),
    "health: by the 95 % prediction interval of our records of the same network under the {} recipe "
    "(seed sd {:.2f}, df {}); suspicious at twice its width": (
        "健康度：依据我们同一网络在{0}方案下的记录的 95 % 预测区间（种子标准差 {1:.2f}，自由度 {2}）；超出两倍为可疑"
    ),
    "health: usual top-1 {} under the {} recipe; source: {}": "健康度：{1}方案下通常的 Top-1 为 {0}；来源：{2}",
    "health: usual top-1 {} under the {} recipe, suspicious {}; source: {}": (
        "健康度：{1}方案下通常的 Top-1 为 {0}，{2} 则可疑；来源：{3}"
    ),
    "Noise floor of times: one run trained twice differed by {} ({})": "时间的噪声水平：同一次运行训练两遍相差 {} ({})",
    "{} in train time": "训练时间 {}",
    "{} in total time": "总时间 {}",
    "{} in images/s": "图像/秒 {}",
    "Unfinished, not in the table ({}): {}": "未完成，不在表中 ({})：{}",
    "Left out, evaluated on another number of images than the split has ({}): {}": (
        "已排除，评估图像数与划分不符 ({})：{}"
    ),
    "Left out, the same recipe and seed as another run ({}): {}": "已排除，训练方案和种子与另一次运行相同 ({})：{}",
}
# English template → Chinese template.
ZH: dict[str, str] = {**COMPONENTS, **WORDS, **REASONS, **LINES}


def say(phrase: Phrase, language: str, chinese: Mapping[str, str] = ZH) -> str:
    """Return a phrase in a language; one without a translation stays English."""
    if language == "en":
        return phrase.english()
    values = [say(value, language, chinese) if isinstance(value, Phrase) else value for value in phrase.values]
    template = phrase.zh or chinese.get(phrase.template, phrase.template.replace("; ", "；"))
    return template.format(*values) if values else template
