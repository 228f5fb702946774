"""The words of the page in Chinese, beside those of the tables; English is the key."""

from bench.analysis.cells import Phrase
from bench.report.deck.text import DECK
from bench.tables.text import ZH, say

# What the script says, by the name that it uses.
SCRIPT_WORDS = {
    "shown": "{} of {} rows shown",
    "compare": "Compare {}",
    "sort": "Sort by {}",
    "runs": "Runs behind this cell",
    "noPair": "not offered: other data or split",
    "same": "same recipe",
    "base": "base: {}",
    "baseRow": "Base: {}",
    "svg": "Save as SVG",
    "png": "Save as PNG",
    "claims": "{} of {} claims shown",
}
UI = {
    "Report of the efficient-training benchmark": "高效训练基准报告",
    "Skip to the table": "跳到表格",
    "Sections": "章节",
    "Overview": "概览",
    "Table": "表格",
    "Compare": "比较",
    "Figures": "图",
    "Runs": "运行",
    "Claims": "论断",
    "The deck's claims, checked": "演示文稿的论断及其核对",
    "Recipes": "训练方案",
    "How to cite": "如何引用",
    "Colours": "配色",
    "as the system": "跟随系统",
    "light colours": "浅色",
    "dark colours": "深色",
    "{} runs of {} networks and recipes, in {}": "{} 次运行，{} 个网络与方案，来自 {}",
    "Rows: {}; seeds of a row: {}": "行数：{}；每行种子数：{}",
    "Highest mean: {}, {} {} (n = {})": "最高均值：{}，{} {} (n = {})",
    "{} is better than {} by {} (p {})": "{} 优于 {}，差 {} (p {})",
    "{} and {}: not distinguishable, {} (p {}); seeds needed: {}": "{} 与 {}：无法区分，{} (p {})；所需种子数：{}",
    "{} and {} are the same network by the same recipe": "{} 与 {} 是同一方案的同一网络",
    "{} and {}: not tested; {}": "{} 与 {}：未检验；{}",
    "Not tested against {}, for want of seeds: {}": "因种子不足未与 {} 检验：{}",
    "Compared with {} by an ablation below: {}": "与 {} 的比较见下方消融实验：{}",
    "Differences in points of top-1 with half of their 95 % interval; p after Holm; headings and Compare name tests.": (
        "差值为 Top-1 百分点及其 95 % 区间的一半；p 经 Holm 校正。检验方法见各组标题与“比较”。"
    ),
    "Ablations": "消融实验",
    "{}, {} {} (n = {}); {}": "{}，{} {}（n = {}）；{}",
    "Alone under their conditions": "所在条件下没有可比的行",
    "Recipe": "训练方案",
    "Missing or failed": "缺失或失败",
    "Nothing is missing.": "没有缺失。",
    "and {} more": "其余 {} 条",
    "Not finished: {}": "未完成：{}",
    "Left out, evaluated on another number of images: {}": "已排除，评估图像数与划分不符：{}",
    "Left out, recipe and seed of another run: {}": "已排除，方案和种子与另一次运行相同：{}",
    "One seed, so no interval and no verdict: {}": "仅一个种子，没有区间和结论：{}",
    "No finished run of an arm of {}: {}": "{} 的实验组没有已完成的运行：{}",
    "Filter": "筛选",
    "Text": "文字",
    "Technique": "技术类别",
    "all": "全部",
    "Params (M) from": "参数量 (M) 从",
    "to": "到",
    "Columns": "列",
    "Reset": "重置",
    "Save the shown rows as CSV": "将所示行保存为 CSV",
    "Save the shown rows as JSON": "将所示行保存为 JSON",
    "A name leads to its row's runs, a click on a number to the runs behind it.": (
        "点击名称查看该行的运行，点击数字查看其来源运行。"
    ),
    "{} of {} rows shown": "显示 {} / {} 行",
    "{} of {} claims shown": "显示 {} / {} 条",
    "Compare {}": "比较 {}",
    "Sort by {}": "按 {} 排序",
    "Runs behind this cell": "该单元格的来源运行",
    "Close": "关闭",
    "not offered: other data or split": "不提供：数据或划分不同",
    "same recipe": "方案相同",
    "Save as SVG": "保存为 SVG",
    "Save as PNG": "保存为 PNG",
    "Base": "基线",
    "Rows to compare with it": "与之比较的行",
    "Recipe differences": "方案差异",
    "Base: {}": "基线：{}",
    "base: {}": "基线：{}",
    "Δ = row − base in points: the mean over common seeds of equal precision with its 95 % interval by the paired "
    "t-test, by Welch's t-test where pairs would lose runs or are fewer than two; p after Holm over all "
    "comparisons of the base with the rows of a block.": (
        "Δ = 该行 − 基线 (百分点)：对精度相同的共同种子取均值，95 % 区间由配对 t 检验给出；"
        "共同种子少于两个时用 Welch t 检验；"
        "p 值在该基线与一组各行的全部比较内经 Holm 校正。"
    ),
    "{} (paired, n = {})": "{} (配对，n = {})",
    "{} (not paired, n = {} and {})": "{} (不配对，n = {} 与 {})",
    "Training curves compared": "训练曲线比较",
    "Accuracy against cost": "准确率与成本",
    "Cost": "成本",
    "Axis": "坐标轴",
    "logarithmic": "对数",
    "linear": "线性",
    "{} against {}": "{} 与 {}",
    "Large marks: means with the 95 % interval; small dots: runs; line and names: Pareto front.": (
        "大标记：均值与 95 % 区间；小点：各次运行；折线与名称：Pareto 前沿。"
    ),
    "Without this cost, so not drawn: {}": "没有该成本，未绘出：{}",
    "Training curves": "训练曲线",
    "Training curves: {}": "训练曲线：{}",
    "Line: mean over seeds of the top-1 on the evaluation split; band: lowest to highest seed. A row that was "
    "evaluated once has no curve.": "线：评估集 Top-1 对种子的均值；带：最低到最高的种子。只评估一次的行没有曲线。",
    "Epoch": "轮次",
    "Difference from the base in top-1 (points)": "与基线的 Top-1 差 (百分点)",
    "Time to accuracy": "达到目标准确率的时间",
    "Train seconds to a top-1 accuracy": "达到 Top-1 准确率的训练秒数",
    "Train seconds (logarithmic scale)": "训练秒数 (对数坐标)",
    "No run reached the lowest target.": "没有运行达到最低目标。",
    "Open markers are lower bounds: only some runs of the row got there. What none reached is not drawn.": (
        "空心标记为下界：该行仅部分运行达到。无运行达到的目标不绘出。"
    ),
    "Recipe, field by field": "方案各项",
    "What differs from most rows of its block is marked.": "与同组多数行不同者已标出。",
    "Spec": "配置",
    "Nearest recipe of the suite: {}": "最接近的方案文件：{}",
    "It is declared as that file has it.": "与该文件一致。",
    "It differs in: {}": "差异：{}",
    "No command of this version repeats it: {}": "当前版本没有命令能重复它：{}",
    "Seed {}": "种子 {}",
    "To repeat it:": "重复该运行：",
    "at commit {}": "提交 {}",
    "Environment {}": "环境 {}",
    "No environment was recorded.": "未记录环境。",
    "No epochs were recorded.": "未记录轮次。",
    "Environments": "环境",
    "best epoch (a diagnostic)": "最佳轮次 (仅供诊断)",
    "trained for {} minutes": "训练 {} 分钟",
    "Every claim of the deck with its verdict; the words of the audit are in English.": (
        "演示文稿的每条论断及其结论；审核文字为英文。"
    ),
    "Verdict": "结论",
    "Model": "模型",
    "Claim": "论断",
    "Row": "行",
    "Metric": "指标",
    "Evidence": "证据",
    "Why": "理由",
    "Key findings": "主要发现",
    "confirmed": "证实",
    "contradicted": "不成立",
    "within noise": "在噪声内",
    "not testable yet": "尚无法检验",
    "The recipe files that the rows come nearest to and the files that those are based on, as they stand.": (
        "各行最接近的方案文件及其所基于的文件，按其在套件中的原文。"
    ),
    "Used by": "使用者",
    "Cite the version and the command with any number, and the paper of each network and method (reports/zoo.md).": (
        "引用任何数字时请注明版本与命令，以及各网络与方法的论文 (reports/zoo.md)。"
    ),
}
CHINESE = {**ZH, **UI, **DECK}


def translate(phrase: Phrase, language: str) -> str:
    """Return a phrase of the page or of its tables in a language; one without a translation stays English."""
    return say(phrase, language, CHINESE)
