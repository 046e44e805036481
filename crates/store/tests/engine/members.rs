//! Members and the accounts that are theirs, on both engines.

use model::{
    AccountId,
    member::{NewMember, Role},
    ports::AccountStore,
};
use testkit::{
    clock::START,
    conformance::{Case, check},
};

/// Somebody of this name, confirmed from the start.
pub(crate) fn new_member(name: &str, role: Role) -> NewMember {
    NewMember {
        username: name.into(),
        display_name: String::new(),
        email: format!("{name}@example.org"),
        password_hash: "none".into(),
        role,
        confirmed: true,
        locale: "en".into(),
        reason: None,
        created_by_app: None,
        private_key_pem: None,
        public_key_pem: None,
        created: START,
    }
}

pub(crate) async fn join(case: &Case, name: &str, role: Role) -> AccountId {
    case.store.create_member(new_member(name, role)).await.unwrap()
}

#[test]
fn the_owner_is_whoever_of_that_role_joined_first() {
    check(|case| async move {
        assert_eq!(case.store.owner().await.unwrap(), None);
        join(&case, "member", Role::Member).await;
        join(&case, "moderator", Role::Moderator).await;
        assert_eq!(case.store.owner().await.unwrap(), None);
        let first = join(&case, "first", Role::Owner).await;
        let second = join(&case, "second", Role::Owner).await;
        assert_eq!(case.store.owner().await.unwrap(), Some(first));
        case.store.set_role(first, Role::Member).await.unwrap();
        assert_eq!(case.store.owner().await.unwrap(), Some(second));
    });
}
