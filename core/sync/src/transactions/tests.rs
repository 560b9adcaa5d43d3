use super::limits::*;
use super::*;

const A: PeerId = B256::repeat_byte(0xaa);
const B: PeerId = B256::repeat_byte(0xbb);

fn at(millis: u64) -> Duration {
    Duration::from_secs(1000) + Duration::from_millis(millis)
}

fn hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn none(_: &B256) -> bool {
    false
}

#[test]
fn a_transaction_is_asked_of_one_peer_and_then_of_the_next() {
    let mut fetcher = TransactionFetcher::default();
    fetcher.announce(at(0), A, hash(1), None);
    fetcher.announce(at(100), B, hash(1), Some(100));
    assert_eq!(fetcher.poll(at(499), none), []);
    assert_eq!(fetcher.next_timeout(), Some(at(500)));
    let asked = fetcher.poll(at(500), none);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let first = asked[0].peer;
    assert_eq!(fetcher.poll(at(600), none), []);
    fetcher.came(&first);
    let asked = fetcher.poll(at(700), none);
    let other = if first == A { B } else { A };
    let hashes = vec![hash(1)];
    assert_eq!(
        asked,
        [FetchTransactions {
            peer: other,
            hashes
        }]
    );
    let asked = fetcher.poll(at(700) + FETCH_TIMEOUT, none);
    assert_eq!(asked, [], "nobody is left");
    assert!(fetcher.is_empty() && fetcher.announced.is_empty() && fetcher.asked.is_empty());
}

#[test]
fn what_came_by_itself_or_was_refused_is_not_asked_for() {
    let mut fetcher = TransactionFetcher::default();
    fetcher.announce(at(0), A, hash(1), None);
    fetcher.announce(at(0), A, hash(2), None);
    fetcher.forget(&hash(1));
    assert_eq!(fetcher.poll(at(500), |it| *it == hash(2)), []);
    assert!(fetcher.is_empty() && fetcher.announced.is_empty());
    assert_eq!(fetcher.next_timeout(), None);
}

#[test]
fn requests_and_announcements_are_bounded() {
    let mut fetcher = TransactionFetcher::default();
    let taken = (0..10_000).filter(|it| fetcher.announce(at(0), A, hash(*it), None));
    assert_eq!(taken.count(), ANNOUNCED_PER_PEER);
    let asked = fetcher.poll(at(500), none);
    assert_eq!(asked[0].hashes.len(), HASHES_PER_REQUEST);
    assert_eq!(fetcher.poll(at(501), none), [], "one request at a time");
    fetcher.peer_left(&A);
    assert!(fetcher.is_empty() && fetcher.announced.is_empty() && fetcher.asked.is_empty());

    for number in 0..100 {
        fetcher.announce(at(0), B, hash(number), Some(u32::MAX));
    }
    assert_eq!(fetcher.poll(at(500), none)[0].hashes.len(), 1);
}
