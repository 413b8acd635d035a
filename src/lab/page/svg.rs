//! Charts as inline SVG, drawn in the unit square of two axes.

/// Of the chart.
pub const WIDTH: f64 = 360.0;
/// Of the chart.
pub const HEIGHT: f64 = 300.0;
/// Margin.
pub const LEFT: f64 = 52.0;
/// Margin.
pub const RIGHT: f64 = 12.0;
/// Margin.
pub const TOP: f64 = 12.0;
/// Margin.
pub const BOTTOM: f64 = 46.0;

/// A place in the unit square of the axes, from the lower left.
pub type Place = (f64, f64);

/// The same place in the chart.
pub fn place((x, y): Place) -> Place {
    (LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))
}

/// A chart with a body of SVG; `title` is HTML.
pub fn chart(title: &str, body: &str) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{title}'><title>{title}</title>{body}</svg>")
}

/// Around the unit square.
pub fn frame() -> String {
    let ((left, top), (right, bottom)) = (place((0.0, 1.0)), place((1.0, 0.0)));
    format!(
        "<rect x='{left}' y='{top}' width='{:.1}' height='{:.1}' fill='#fff' stroke='#cbd5e1'/>",
        right - left,
        bottom - top
    )
}

/// A frame from 0 to 1 both ways.
pub fn axes(x_title: &str, y_title: &str) -> String {
    let mut body = frame();
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        body += &tick_x(share, &share.to_string());
        body += &tick_y(share, &share.to_string());
    }
    body + &titles(x_title, y_title)
}

/// A line up from the lower axis, and its name.
pub fn tick_x(at: f64, name: &str) -> String {
    let ((x, bottom), (_, top)) = (place((at, 0.0)), place((at, 1.0)));
    format!(
        "<line x1='{x:.1}' y1='{top:.1}' x2='{x:.1}' y2='{bottom:.1}' stroke='#eef2f7'/>\
         <text x='{x:.1}' y='{:.1}' text-anchor='middle'>{name}</text>",
        bottom + 14.0
    )
}

/// A line across from the left axis, and its name.
pub fn tick_y(at: f64, name: &str) -> String {
    let ((left, y), (right, _)) = (place((0.0, at)), place((1.0, at)));
    format!(
        "<line x1='{left:.1}' y1='{y:.1}' x2='{right:.1}' y2='{y:.1}' stroke='#eef2f7'/>\
         <text x='{:.1}' y='{:.1}' text-anchor='end'>{name}</text>",
        left - 6.0,
        y + 3.5
    )
}

/// Of the axes.
pub fn titles(x: &str, y: &str) -> String {
    let (middle_x, middle_y) = place((0.5, 0.5));
    format!(
        "<text x='{middle_x:.1}' y='{:.1}' text-anchor='middle' class='axis'>{x}</text>\
         <text transform='translate(13 {middle_y:.1}) rotate(-90)' text-anchor='middle' class='axis'>{y}</text>",
        HEIGHT - 10.0
    )
}

/// A line through `points`; `dashes` as SVG names them, empty for none.
pub fn line(points: &[Place], colour: &str, dashes: &str) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|&point| {
            let (x, y) = place(point);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let points = points.join(" ");
    format!(
        "<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.8' stroke-dasharray='{dashes}'/>"
    )
}
