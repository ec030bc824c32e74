//! Makes the gRPC interface from its protocol file, without a system protoc.

#[cfg(feature = "client")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_file("silt/v1/silt.proto")?;
    // What the reflection service tells.
    std::fs::write(out.join("silt.v1.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .bytes(".silt.v1.SnapshotResponse")
        .build_server(std::env::var("CARGO_FEATURE_SERVER").is_ok())
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

#[cfg(not(feature = "client"))]
fn main() {}
