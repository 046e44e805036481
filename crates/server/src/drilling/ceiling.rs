//! The ceiling of a vector: what the best policy could give that knows every population's habits
//! but not who is who. The shield's simulator reckons it; here is which of its attacks a vector of
//! the drill is. Vectors that a server can tell from people by their frames have none.

use shield::sim::{
    self,
    crowd::Population,
    vectors::{Looks, Vector},
};

/// Addresses beside members that `shared-prefix` comes from.
const BESIDE_MEMBERS: u64 = 24;
/// Addresses of a whole botnet.
const BOTNET: u64 = 100_000;

/// The simulator's attack that is most like a vector of the drill.
fn alike(name: &str) -> Option<Vector> {
    let named = |name| Vector::named(name).copied();
    let human = |vector: Vector| Vector { looks: Looks::Human, ..vector };
    match name {
        "page-flood"
        | "cache-bust"
        | "search-flood"
        | "login-flood"
        | "signup-flood"
        | "forged-token"
        | "upload-flood"
        | "direct-origin"
        | "forged-forwarded-for" => named("wide-crude"),
        "low-and-wide" | "solver" | "mutate" | "sleepers" => named(name),
        "warmed" | "sleeper-cookies" => named(name).map(human),
        "pulse" => named(name).map(|it| Vector { bots: BOTNET, crowding: 6, ..human(it) }),
        "v6-rotate" => named("low-and-wide").map(|it| Vector { crowding: 6_000, ..it }),
        "shared-prefix" => named(name).map(|it| Vector { bots: BESIDE_MEMBERS, ..human(it) }),
        _ => None,
    }
}

/// The part that could be served of members, returning visitors, newcomers and newcomers without
/// scripts, while so many times the capacity is offered.
pub(super) fn of(name: &str, overload: f64, seed: u64) -> Option<[f64; 4]> {
    if !overload.is_finite() || overload <= 0.0 {
        return None;
    }
    // Past it the simulator would draw for minutes, and nothing changes any more.
    let vector = Vector { overload: overload.min(100.0), ..alike(name)? };
    let [members, _, returning, newcomers, no_script, _] = sim::ceiling(&vector, seed);
    debug_assert_eq!(Population::ALL.map(Population::name).get(4), Some(&"newcomers_no_script"));
    Some([members, returning, newcomers, no_script])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_that_send_requests_have_a_ceiling_and_nobody_shares_with_bots_that_do_nothing() {
        for name in ["page-flood", "low-and-wide", "sleepers", "warmed", "mutate"] {
            let [members, .., newcomers, _] = of(name, 10.0, 3).expect(name);
            assert!(members > 0.999 && newcomers > 0.9, "{name}: {members} {newcomers}");
        }
        assert_eq!(of("rapid-reset", 10.0, 3), None);
        assert_eq!(of("page-flood", f64::NAN, 3), None);
    }

    #[test]
    fn where_bots_do_all_that_newcomers_do_the_ceiling_lies_lower() {
        let newcomers = |name| of(name, 10.0, 3).map(|[_, _, newcomers, _]| newcomers);
        assert!(newcomers("solver") < newcomers("low-and-wide"));
    }
}
