// The stored state of one orchestration instance or entity, and the patches that change it.
export {};
