"""Names that programs import from `daytona.common.charts`."""

from daytona.models.charts import (
    BarChart as BarChart,
    BarData as BarData,
    BoxAndWhiskerChart as BoxAndWhiskerChart,
    BoxAndWhiskerData as BoxAndWhiskerData,
    Chart as Chart,
    Chart2D as Chart2D,
    ChartElement as ChartElement,
    CompositeChart as CompositeChart,
    LineChart as LineChart,
    PieChart as PieChart,
    PieData as PieData,
    PointChart as PointChart,
    PointData as PointData,
    ScatterChart as ScatterChart,
    parse_chart as parse_chart,
)
from daytona.models.enums import ChartType as ChartType
