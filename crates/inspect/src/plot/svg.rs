//! A drawing as an SVG document.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::drawing::{Anchor, Colour, Direction, Drawing, Marker, Place, Rect, Shape, Text};
use super::pixels::Pixels;
use super::png;

pub(super) fn document(drawing: &Drawing) -> String {
    let (width, height) = (drawing.width, drawing.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for shape in &drawing.shapes {
        let written = match shape {
            Shape::Line { from, to, width, colour } => writeln!(
                svg,
                "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{}\" stroke-width=\"{width}\"/>",
                from[0],
                from[1],
                to[0],
                to[1],
                hex(*colour)
            ),
            Shape::Rect(rect) => writeln!(svg, "{}", rect_element(rect)),
            Shape::Image { low, high, pixels } => {
                writeln!(svg, "{}", image_element(*low, *high, pixels))
            }
            Shape::Marker(marker) => writeln!(svg, "{}", marker_element(marker)),
            Shape::Text(text) => writeln!(svg, "{}", text_element(text)),
        };
        written.expect("a string takes all");
    }
    svg.push_str("</svg>\n");
    svg
}

fn rect_element(rect: &Rect) -> String {
    let Rect { low: [x, y], high, colour, title } = rect;
    let (width, height) = (high[0] - x, high[1] - y);
    let (fill, title) = (hex(*colour), title_element(title));
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\" \
         shape-rendering=\"crispEdges\">{title}</rect>"
    )
}

fn image_element([x, y]: Place, high: Place, pixels: &Pixels) -> String {
    let (width, height) = (high[0] - x, high[1] - y);
    let data = STANDARD.encode(png::encode(pixels));
    format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" \
         href=\"data:image/png;base64,{data}\"/>"
    )
}

fn marker_element(marker: &Marker) -> String {
    let Marker { at: [x, y], radius, colour, title, .. } = marker;
    let (fill, title) = (hex(*colour), title_element(title));
    let corners = marker.corners();
    if corners.is_empty() {
        return format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\">{title}</circle>"
        );
    }
    let points: Vec<String> = corners.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    format!("<polygon points=\"{points}\" fill=\"{fill}\">{title}</polygon>")
}

fn text_element(text: &Text) -> String {
    let Text { at: [x, y], size, anchor, direction, colour, text } = text;
    let turn = match direction {
        Direction::Right => String::new(),
        Direction::Up => format!(" transform=\"rotate(-90 {x:.1} {y:.1})\""),
    };
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let (fill, text) = (hex(*colour), escaped(text));
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
         fill=\"{fill}\"{turn}>{text}</text>"
    )
}

fn title_element(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(title)) }
}

fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Names of files may hold anything; what XML cannot hold at all becomes a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}
