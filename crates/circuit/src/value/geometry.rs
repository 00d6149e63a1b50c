//! Shapes on the globe, as far as the engine itself looks into them: order, identity and their GeoJSON fields.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Object, Value};

/// A pair of longitude and latitude, or of x and y.
type Point = [f64; 2];

/// A geometry in SurrealDB's seven kinds, ordered by kind first.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    Point(Point),
    Line(Vec<Point>),
    /// Rings; the exterior one comes first.
    Polygon(Vec<Vec<Point>>),
    MultiPoint(Vec<Point>),
    MultiLine(Vec<Vec<Point>>),
    MultiPolygon(Vec<Vec<Vec<Point>>>),
    Collection(Vec<Geometry>),
}

impl Geometry {
    fn rank(&self) -> u8 {
        match self {
            Geometry::Point(_) => 0,
            Geometry::Line(_) => 1,
            Geometry::Polygon(_) => 2,
            Geometry::MultiPoint(_) => 3,
            Geometry::MultiLine(_) => 4,
            Geometry::MultiPolygon(_) => 5,
            Geometry::Collection(_) => 6,
        }
    }

    /// SurrealDB's order: by kind, then by coordinates. Coordinates that are not comparable count as equal.
    pub(super) fn compare(&self, other: &Geometry) -> Ordering {
        let ordering = match (self, other) {
            (Geometry::Point(a), Geometry::Point(b)) => a.partial_cmp(b),
            (Geometry::Line(a), Geometry::Line(b)) | (Geometry::MultiPoint(a), Geometry::MultiPoint(b)) => {
                a.partial_cmp(b)
            }
            (Geometry::Polygon(a), Geometry::Polygon(b)) => rings(a).partial_cmp(rings(b)),
            (Geometry::MultiLine(a), Geometry::MultiLine(b)) => a.iter().flatten().partial_cmp(b.iter().flatten()),
            (Geometry::MultiPolygon(a), Geometry::MultiPolygon(b)) => {
                let flatten = |polygons| <[Vec<Vec<Point>>]>::iter(polygons).flat_map(|polygon| rings(polygon));
                flatten(a).partial_cmp(flatten(b))
            }
            (Geometry::Collection(a), Geometry::Collection(b)) => {
                let parts = a.iter().zip(b).map(|(a, b)| a.compare(b));
                let first_difference = parts.into_iter().find(|ordering| ordering.is_ne());
                return first_difference.unwrap_or_else(|| a.len().cmp(&b.len()));
            }
            _ => Some(self.rank().cmp(&other.rank())),
        };
        ordering.unwrap_or(Ordering::Equal)
    }

    /// The field of this geometry seen as a GeoJSON object: `type`, `coordinates` or `geometries`; `NONE` for any
    /// other.
    pub fn field(&self, name: &str) -> Value {
        match (name, self) {
            ("type", _) => Value::from(self.type_name()),
            ("geometries", Geometry::Collection(parts)) => {
                parts.iter().map(|part| Value::Geometry(part.clone().into())).collect()
            }
            ("coordinates", Geometry::Point(point)) => position(point),
            ("coordinates", Geometry::Line(line) | Geometry::MultiPoint(line)) => positions(line),
            ("coordinates", Geometry::Polygon(lines) | Geometry::MultiLine(lines)) => {
                lines.iter().map(|line| positions(line)).collect()
            }
            ("coordinates", Geometry::MultiPolygon(polygons)) => {
                polygons.iter().map(|polygon| polygon.iter().map(|line| positions(line)).collect()).collect()
            }
            _ => Value::None,
        }
    }

    /// Whether it has this field, seen as a GeoJSON object.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        match self {
            Geometry::Collection(_) => matches!(name, "type" | "geometries"),
            _ => matches!(name, "type" | "coordinates"),
        }
    }

    /// The fields as an object.
    pub(crate) fn as_object(&self) -> Object {
        let parts = match self {
            Geometry::Collection(_) => "geometries",
            _ => "coordinates",
        };
        ["type", parts].into_iter().map(|name| (Arc::from(name), self.field(name))).collect()
    }

    fn type_name(&self) -> &'static str {
        match self {
            Geometry::Point(_) => "Point",
            Geometry::Line(_) => "LineString",
            Geometry::Polygon(_) => "Polygon",
            Geometry::MultiPoint(_) => "MultiPoint",
            Geometry::MultiLine(_) => "MultiLineString",
            Geometry::MultiPolygon(_) => "MultiPolygon",
            Geometry::Collection(_) => "GeometryCollection",
        }
    }

    /// Whether both are of the same kind and have the same coordinates, bit by bit: `0.0` is not `-0.0`, and `NaN` is
    /// itself.
    pub(super) fn is_identical(&self, other: &Geometry) -> bool {
        match (self, other) {
            (Geometry::Point(a), Geometry::Point(b)) => are_identical_points(a, b),
            (Geometry::Line(a), Geometry::Line(b)) | (Geometry::MultiPoint(a), Geometry::MultiPoint(b)) => {
                are_identical_lines(a, b)
            }
            (Geometry::Polygon(a), Geometry::Polygon(b)) | (Geometry::MultiLine(a), Geometry::MultiLine(b)) => {
                all_pairs(a, b, |a, b| are_identical_lines(a, b))
            }
            (Geometry::MultiPolygon(a), Geometry::MultiPolygon(b)) => {
                all_pairs(a, b, |a, b| all_pairs(a, b, |a, b| are_identical_lines(a, b)))
            }
            (Geometry::Collection(a), Geometry::Collection(b)) => all_pairs(a, b, Geometry::is_identical),
            _ => false,
        }
    }

    /// Calls `visit` with the bits of every number that identifies this geometry, in a fixed order.
    pub(super) fn visit_bits(&self, visit: &mut impl FnMut(u64)) {
        visit(self.rank() as u64);
        let mut point = |point: &Point| point.iter().for_each(|coordinate| visit(coordinate.to_bits()));
        match self {
            Geometry::Point(at) => point(at),
            Geometry::Line(line) | Geometry::MultiPoint(line) => line.iter().for_each(point),
            Geometry::Polygon(lines) | Geometry::MultiLine(lines) => {
                for line in lines {
                    line.iter().for_each(&mut point);
                    point(&[line.len() as f64, 0.0]);
                }
            }
            Geometry::MultiPolygon(polygons) => {
                for line in polygons.iter().flatten() {
                    line.iter().for_each(&mut point);
                    point(&[line.len() as f64, 0.0]);
                }
            }
            Geometry::Collection(parts) => parts.iter().for_each(|part| part.visit_bits(visit)),
        }
    }
}

fn are_identical_points(a: &Point, b: &Point) -> bool {
    a.map(f64::to_bits) == b.map(f64::to_bits)
}

fn are_identical_lines(a: &[Point], b: &[Point]) -> bool {
    all_pairs(a, b, are_identical_points)
}

fn all_pairs<T>(a: &[T], b: &[T], are_identical: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_identical(a, b))
}

/// The points of a polygon in the order in which SurrealDB compares them: interior rings first.
fn rings(polygon: &[Vec<Point>]) -> impl Iterator<Item = &Point> {
    let (exterior, interiors) = polygon.split_first().map_or((&[][..], &[][..]), |(first, rest)| (&first[..], rest));
    interiors.iter().flatten().chain(exterior)
}

fn position(point: &Point) -> Value {
    point.iter().map(|coordinate| Value::Float(*coordinate)).collect()
}

fn positions(points: &[Point]) -> Value {
    points.iter().map(position).collect()
}
