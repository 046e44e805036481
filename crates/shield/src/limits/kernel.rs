//! Bounds of the deny set in the kernel, and what happens at each.

/// Addresses denied at once, of each family: twice as many as `decide` denies, since an entry there
/// can make way for another whose time here still runs. Past it: new ones are denied by this
/// program alone. An entry takes about 200 bytes of the kernel's memory.
pub const ENTRIES_MAX: u32 = 32_768;
/// Entries of one transaction; more of them are several. With their attributes they must fit one
/// attribute of netlink, whose length has 16 bits.
pub const BATCH_MAX: usize = 512;
/// Bytes of one entry in a transaction, at most.
pub const ENTRY_BYTES_MAX: usize = 96;
/// Transactions in one turn. Past it: the rest waits for the next turn, in `decide`'s queue.
pub const BATCHES_PER_TURN: usize = 4;
/// How often new denials are taken to the kernel, in ms.
pub const TURN_MS: u64 = 200;
/// How often the machine's interfaces and addresses are looked at again, in s.
pub const LOOK_EVERY_S: u64 = 30;
/// Seconds in which the kernel must answer. Past it: the step has failed, and the next is tried.
pub const ANSWER_S: u64 = 2;
/// Answers read for one question. Past it: the rest is not heard. The kernel puts some 300 entries
/// into one.
pub const ANSWERS_MAX: usize = 4_096;
/// Listening addresses that are guarded. Past it: the kernel drops nothing for the others.
pub const DOORS_MAX: usize = 16;
/// Interfaces that are guarded at their entrance. Past it: what comes in by the others is dropped a
/// little later, before the kernel follows connections.
pub const INTERFACES_MAX: usize = 64;
/// Own addresses that the rule at the entrance knows. Past it: as with `INTERFACES_MAX`.
pub const ADDRESSES_MAX: usize = 512;
/// An entry ends so much before the program would deny the same address again, in ms: older
/// kernels do not lengthen an entry that is there.
pub const SHORTER_MS: u64 = 1_000;
/// Longest time for which an entry is made, in s: nothing else lifts one when this program hangs.
pub const DENIED_S_MAX: u32 = 24 * 3_600;
/// Bytes of a datagram from the kernel. It writes up to 32 KiB, and sends back what it refuses.
pub const DATAGRAM_BYTES_MAX: usize = 128 * 1024;

const _: () = assert!(BATCH_MAX * ENTRY_BYTES_MAX < 65_000, "a batch would not fit its attribute");
const _: () = assert!(ENTRIES_MAX as usize >= 2 * super::decide::DENIED_MAX, "it would fill up");
const _: () = assert!(
    BATCH_MAX * BATCHES_PER_TURN >= super::decide::DENIALS_MAX,
    "a turn would not take what is waiting"
);
const _: () = assert!(DENIED_S_MAX as u64 >= super::decide::DENIED_S.1, "it would be cut short");
const _: () = assert!(
    SHORTER_MS < super::decide::DENIED_S.0 * 1_000 && TURN_MS < SHORTER_MS,
    "an entry would outlive the denial that it stands for"
);
