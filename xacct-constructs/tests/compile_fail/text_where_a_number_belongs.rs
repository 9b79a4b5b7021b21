use xacct_constructs::cfn::lambda::CfnFunctionProps;

fn main() {
    let _ = CfnFunctionProps::new().memory_size("256");
}
