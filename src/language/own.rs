//! Definitions of tripline's own functions, as trees over their arguments.

use std::sync::LazyLock;

use crate::diagnostic::{FileId, Text};
use crate::record::{Column, Network, Type, Value, network};

use super::bind::bind_expression;
use super::function::{Id, SERVICES};
use super::scope::Scope;
use super::tree::{Expr, ExprKind};

/// Haversine, in kilometres: `12742.02` is twice the radius, `0.0174…` a degree in radians, `0.0087…` its half.
const GEO_KM: &str = "IF(GREATEST(ABS(lat1), ABS(lat2), ABS(lon1) / 2, ABS(lon2) / 2) <= 90, \
    12742.02 * ASIN(LEAST(1.0, SQRT(POW(SIN((lat2 - lat1) * 0.008726646259971648), 2) \
    + COS(lat1 * 0.017453292519943295) * COS(lat2 * 0.017453292519943295) \
    * POW(SIN((lon2 - lon1) * 0.008726646259971648), 2)))), NULL)";

static GEO_KM_TREE: LazyLock<Option<Expr>> = LazyLock::new(|| {
    let names = ["lat1", "lon1", "lat2", "lon2"];
    bound(GEO_KM, &names.map(|name| Column::new(name, Type::Float64, true)))
});

static PORT_SERVICE_TREE: LazyLock<Option<Expr>> = LazyLock::new(|| {
    let services: Vec<String> = SERVICES.iter().map(|(port, name)| format!("WHEN {port} THEN '{name}'")).collect();
    bound(&format!("CASE port {} END", services.join(" ")), &[Column::new("port", Type::Int64, true)])
});

/// A call of one of our own functions by its definition; `None` for all others, and for [`Id::Entropy`] and
/// [`Id::Pseudonymize`], which are no expressions over their arguments alone.
pub fn definition(id: Id, args: &[Expr]) -> Option<Expr> {
    match id {
        Id::GeoKm => GEO_KM_TREE.as_ref().map(|tree| filled(tree, args)),
        Id::PortService => PORT_SERVICE_TREE.as_ref().map(|tree| filled(tree, args)),
        Id::InCidr => in_cidr(args),
        _ => None,
    }
}

fn bound(sql: &str, columns: &[Column]) -> Option<Expr> {
    bind_expression(&Text::verbatim(sql, FileId(0), 0), &Scope::over("arguments", columns), &mut Vec::new())
}

/// The tree with the arguments in the place of its columns.
fn filled(tree: &Expr, args: &[Expr]) -> Expr {
    if let ExprKind::Column(index) = tree.kind
        && let Some(arg) = args.get(index)
    {
        return arg.clone();
    }
    Expr { kind: tree.kind.map_children(&mut |child| filled(child, args)), ..tree.clone() }
}

fn in_cidr(args: &[Expr]) -> Option<Expr> {
    let [address, constant] = args else { return None };
    let network = match &constant.kind {
        ExprKind::Literal(Value::String(text)) => Network::parse(text)?,
        _ => {
            let kind = ExprKind::Literal(Value::Null(Type::Bool));
            return Some(Expr { kind, ty: Type::Bool, nullable: true, span: constant.span });
        }
    };
    let (length, base) = (network.length(), network.base());
    let octets = match base {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let octets: String = octets.iter().map(|octet| format!("\\x{octet:02x}")).collect();
    let within = format!("NET.IP_TRUNC(NET.SAFE_IP_FROM_STRING(ip), {length}) = b'{octets}'");
    // An address of the other family has other bytes; an IPv4 one is not cut beyond its own.
    let sql = if length <= network::bits(std::net::Ipv4Addr::UNSPECIFIED.into()) {
        within
    } else {
        format!("CASE BYTE_LENGTH(NET.SAFE_IP_FROM_STRING(ip)) WHEN 16 THEN {within} WHEN 4 THEN FALSE END")
    };
    bound(&sql, &[Column::new("ip", Type::String, true)]).map(|tree| filled(&tree, std::slice::from_ref(address)))
}
