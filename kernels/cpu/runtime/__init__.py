"""What every CPU kernel runs on: threads, memory, the compiler, and the processor's instruction set."""
