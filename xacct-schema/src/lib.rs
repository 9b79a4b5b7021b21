//! What AWS publishes about CloudFormation's resource types and IAM's actions, as tables that are read in place, and validation of
//! templates against them.
//!
//! ```
//! let bucket = xacct_schema::resource_type("AWS::S3::Bucket").unwrap();
//! assert!(bucket.is_create_only(&["BucketName"]));
//! assert!(bucket.has_attribute("Arn"));
//! assert_eq!(xacct_schema::nearest_resource_type("AWS::S3::Buket"), Some("AWS::S3::Bucket"));
//! ```

pub mod actions;
#[doc(hidden)]
pub mod layout;
mod nearest;
mod pattern;
pub mod permissions;
mod resource;
mod table;
pub mod validate;

pub use resource::{
    Attribute, Handler, Kind, Lifecycle, Property, Replacement, ResourceType, nearest_resource_type, resource_type,
    resource_types,
};
