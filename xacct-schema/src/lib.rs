//! What AWS publishes about its resources and actions.
