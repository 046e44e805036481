//! Attributes that Mastodon's documentation gives its entities. Names that end with `?` may be
//! null; the others may not.

pub(crate) const ACCOUNT: &str = "id username acct display_name locked bot group discoverable? \
    indexable noindex? hide_collections? created_at note url uri avatar avatar_static header \
    header_static followers_count following_count statuses_count last_status_at? emojis fields \
    roles";
pub(crate) const OWN_ACCOUNT: &str =
    "id username acct source role created_at note url fields emojis";
pub(crate) const STATUS: &str = "id created_at edited_at? in_reply_to_id? \
    in_reply_to_account_id? sensitive spoiler_text visibility language? uri url? replies_count \
    reblogs_count favourites_count quotes_count content reblog? account media_attachments \
    mentions tags emojis card? poll? application? favourited reblogged bookmarked muted pinned \
    filtered";
pub(crate) const RELATIONSHIP: &str = "id following showing_reblogs notifying languages? \
    followed_by blocking blocked_by muting muting_notifications muting_expires_at? requested \
    requested_by domain_blocking endorsed note";
pub(crate) const MEDIA: &str = "id type url? preview_url? remote_url? meta description? \
    blurhash?";
pub(crate) const POLL: &str = "id expires_at? expired multiple votes_count voters_count? \
    options emojis voted own_votes";
pub(crate) const SCHEDULED: &str = "id scheduled_at params media_attachments";
pub(crate) const LATER: &str = "/api/v1/scheduled_statuses/{scheduled}";
pub(crate) const LIST: &str = "id title replies_policy exclusive";
pub(crate) const NOTIFICATION: &str = "id type created_at group_key account status?";
pub(crate) const TOKEN: &str = "access_token token_type scope created_at";
pub(crate) const APP: &str = "id name website? scopes redirect_uri redirect_uris vapid_key";
pub(crate) const NEW_APP: &str = "id name website? scopes redirect_uri redirect_uris vapid_key \
    client_id client_secret client_secret_expires_at";
pub(crate) const INSTANCE: &str = "domain title version source_url description usage thumbnail \
    icon languages configuration registrations api_versions contact rules";
pub(crate) const INSTANCE_V1: &str = "uri title short_description description email version \
    urls stats thumbnail? languages registrations approval_required invites_enabled \
    configuration contact_account? rules";
pub(crate) const PREFERENCES: &str = "posting:default:visibility posting:default:sensitive \
    posting:default:language? reading:expand:media reading:expand:spoilers";
pub(crate) const REPORT: &str = "id action_taken action_taken_at? category comment forwarded \
    created_at status_ids? rule_ids? target_account";
pub(crate) const EDIT: &str =
    "content spoiler_text sensitive created_at account media_attachments emojis";
