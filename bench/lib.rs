//! Only benchmarks live here, apart from the workspace: differential-dataflow and timely select features of crates that
//! SurrealDB's engine is built with, and the engine takes half an hour to build.
