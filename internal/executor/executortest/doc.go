// Package executortest says what every executor must do, as a suite that each
// of them passes: Run. It also has an engine without processes for the tests of
// whatever uses an executor: Engine, with the executors that its Executor method makes.
package executortest
