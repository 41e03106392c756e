//! The API's answers, whole and broken.

use schema::api::{PageError, parse_page};

use crate::given::PAGE;

#[test]
fn a_page_is_its_raw_users_and_what_the_api_says_of_them() {
    let page = parse_page(PAGE.as_bytes()).unwrap();
    assert_eq!((page.users.len(), page.info.results, page.info.page), (10, 10, 1));
    assert_eq!((page.info.seed.as_str(), page.info.version.as_str()), ("abc", "1.4"));
    assert!(page.users.iter().all(|user| PAGE.contains(user.get())), "kept byte for byte");
}

#[test]
fn a_broken_user_never_spoils_its_siblings() {
    let users = format!(r#"5, null, [], {{"email": [{{}}]}}, {}{}, {{}}"#, "[".repeat(9_999), "]".repeat(9_999));
    let body =
        format!(r#"{{"info": {{"seed": 7, "results": "6", "page": 1, "version": "1.4"}}, "results": [{users}]}}"#);
    let page = parse_page(body.as_bytes()).unwrap();
    assert_eq!(page.users.len(), 6);
    assert_eq!((page.info.seed.as_str(), page.info.results), ("7", 6));
}

#[test]
fn no_results_are_a_page_for_the_producer_to_judge() {
    let body = r#"{"results":[],"info":{"seed":"abc","results":1,"page":1,"version":"1.4"}}"#;
    assert_eq!(parse_page(body.as_bytes()).unwrap().users.len(), 0);
}

#[test]
fn an_answer_that_is_no_page_says_why_and_quotes_nothing() {
    let truncated = &PAGE[..PAGE.len() / 2];
    let cases: [(&[u8], &str); 11] = [
        (b"", "not_json"),
        (b"<html><body>502 Bad Gateway</body></html>", "not_json"),
        (truncated.as_bytes(), "not_json"),
        (b"{\"results\": [\"\xff\"]}", "not_json"),
        (br#"{"error": "Uh oh, something has gone wrong."}"#, "api_error"),
        (br#"{"error": {"code": 5}}"#, "api_error"),
        (b"[]", "shape"),
        (b"{}", "shape"),
        (br#"{"results": {}, "info": {"seed":"abc","results":1,"page":1,"version":"1.4"}}"#, "shape"),
        (br#"{"results": []}"#, "shape"),
        (br#"{"results": [], "info": {"seed":"abc","results":-1,"page":1,"version":"1.4"}}"#, "shape"),
    ];
    for (body, kind) in cases {
        let error = parse_page(body).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("laura"), "{error}");
    }
    let error = parse_page(format!(r#"{{"error": "{}"}}"#, "x".repeat(9_999)).as_bytes()).unwrap_err();
    assert_eq!(error, PageError::Api { message: "x".repeat(200) });
}
