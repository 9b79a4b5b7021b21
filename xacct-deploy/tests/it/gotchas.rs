//! What other deploy tools handle or get wrong, what is right, and the tests that show it. The test below keeps the list honest.
//!
//! | case | what happens here | shown by |
//! |---|---|---|
//! | a change set without changes has status FAILED, and one of two texts | "no changes"; the change set is deleted | `both_texts_of_no_changes_are_a_success` |
//! | create or update? | only "does not exist" means absent; any other error is one | `only_does_not_exist_means_absent` |
//! | `ROLLBACK_COMPLETE`, `ROLLBACK_FAILED` | explained; deleted and made again only on demand | `a_failed_first_creation_is_deleted_only_on_demand`, `a_failed_creation_can_be_repeated_with_leave_to_delete` |
//! | a status that only contains another | compared as a whole | `compares_the_whole_status`, `a_live_stack_that_cleans_up_is_waited_for_and_never_deleted` |
//! | `CREATE_FAILED` after a disabled rollback | may hold resources: never deleted unasked, gone on with or rolled back on demand | `a_stack_that_may_hold_resources_is_never_deleted_unasked`, `a_paused_stack_goes_on_with_rollback_disabled`, `a_paused_stack_can_be_rolled_back_first` |
//! | `REVIEW_IN_PROGRESS` | counts as absent; the empty stack is removed when nothing is executed | `a_stack_under_review_counts_as_absent`, `a_dry_run_leaves_nothing_behind`, `a_stop_before_the_execution_executes_nothing` |
//! | `UPDATE_ROLLBACK_FAILED` | says what failed and can be skipped; continued on demand | `a_failed_rollback_names_what_can_be_skipped_and_is_continued_on_demand` |
//! | somebody else works on the stack | waited for, or said who it is | `a_busy_stack_is_waited_for_or_said_to_be_busy_with_what` |
//! | somebody else deploys after us, or between two runs of ours | told, not remembered; planned afresh | `a_version_that_was_overtaken_is_not_told_as_deployed`, `an_update_killed_at_every_moment_and_overtaken_by_somebody_else` |
//! | a change set of an interrupted run is left | executed only if it was made for the same in the same way | `a_change_set_that_was_made_in_another_way_is_not_executed` |
//! | somebody else's operation or deployment makes a call fail | the work begins again after it | `what_is_in_the_way_is_waited_for`, `a_change_set_that_was_overtaken_is_made_again` |
//! | somebody else's stack in review, somebody else's update | left alone | `a_dry_run_leaves_a_stack_that_somebody_is_about_to_create`, `an_update_of_somebody_else_is_waited_for_and_never_cancelled` |
//! | cleaning up after a failure fails too | the first failure is the cause | `what_cannot_be_cleaned_up_does_not_hide_why` |
//! | a dependency failed | its dependents are held back, and nobody else | `a_failure_holds_back_who_needs_it_and_nobody_else` |
//! | events come in pages, and older ones are among them | read by ARN, from the operation's own beginning | `events_are_paged_by_arn_and_older_ones_are_left_out`, `a_page_of_events_stays_where_it_is_while_new_ones_come` |
//! | a deleted stack is found by its id only | followed by id | `a_deleted_stack_is_found_by_its_id_only`, `a_destroy_tells_what_was_kept` |
//! | the cause is in a nested stack | it is looked for there | `the_cause_in_a_nested_stack_is_found`, `the_failure_of_a_nested_stack_fails_its_parent` |
//! | "Resource creation cancelled" | noise: the first real cause comes first | `the_first_cause_comes_first_with_its_place_in_the_program` |
//! | `DescribeStackResources` stops at 100 | `ListStackResources`, page by page | `all_resources_are_listed_however_many` |
//! | throttling, 5xx, connections that break | waited out, with growing pauses, and told | `throttling_server_errors_and_resets_are_waited_out_and_told`, `throttling_is_waited_out_for_long`, `a_pause_is_never_none_and_never_over_the_cap` |
//! | a template over 51,200 bytes; over 1 MB | through the bucket; refused by synthesis | `a_long_template_goes_through_the_bucket`, `limits_are_checked` |
//! | capabilities | derived from the template | `capabilities_are_derived`, `derives_capabilities` |
//! | termination protection | set before there is anything to protect | `protection_is_there_before_the_first_resource` |
//! | `disable_rollback` excludes `on_stack_failure` | one of them is sent | `disabled_rollback_excludes_deletion_on_failure` |
//! | an answer is lost | the repeated call is the same call, by name and token | `a_lost_answer_does_not_make_a_second_change_set`, `a_lost_answer_of_an_execution_is_not_an_execution_overtaken`, `a_creation_killed_at_every_moment`, `an_update_killed_at_every_moment` |
//! | `OptInRequired`, `InvalidClientTokenId` | repeated for a bounded time | `keys_that_are_too_new_are_waited_for`, `a_new_account_is_waited_for_within_bounds`, `wrong_keys_are_told_within_half_a_minute` |
//! | Ctrl-C | nothing new starts; detach, cancel or wait | `stop_waits_for_what_runs_and_starts_nothing_new`, `detach_returns_at_once_and_the_next_run_takes_it_up`, `cancel_cancels_an_update_once_and_tells_how_it_ended` |
//! | NoEcho values | in no event and no record, and yet compared where that can be done | `a_secret_is_in_no_event_and_no_record`, `a_secret_output_is_masked_and_still_reaches_its_consumer`, `a_secret_from_another_stack_counts_as_changed_only_when_that_stack_was` |
//! | a status from a newer service | in progress, shown as it is | `an_unknown_status_is_waited_for`, `an_unknown_status_counts_as_in_progress` |
//! | CodePipeline checks that it can assume its actions' roles | the other account's stack comes first, and a rehearsal finds what is missing | `a_pipeline_must_be_able_to_assume_the_roles_of_its_actions` |
//! | a kept bucket has the name | taken over on demand, by CloudFormation's rules | `a_creation_can_take_over_what_has_the_name`, `what_a_destroy_has_kept_is_taken_over_on_demand` |
//! | another tool deployed the same | no change, whatever the form of its template | `a_deployed_yaml_template_is_compared_by_what_it_means`, `the_form_of_a_template_makes_no_difference` |

use std::fs;
use std::path::Path;

#[test]
fn every_row_names_tests_that_exist() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests", "../xacct-core/tests"] {
        read(&here.join(folder), &mut code);
    }
    let rows = include_str!("gotchas.rs").lines().filter(|line| line.starts_with("//! | "));
    let rows: Vec<&str> = rows.skip(1).collect();
    assert!(rows.len() > 25, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split(", ").map(|it| it.trim_matches('`')) {
            assert!(code.contains(&format!("fn {test}(")), "there is no test `{test}`, of which the table says: {row}");
        }
    }
}

fn read(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, code);
        } else if path.extension().is_some_and(|it| it == "rs") {
            code.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
