// Package policy decides which waiting job starts next on each executor. It does nothing else: no
// clock, no goroutine, no I/O. Whoever uses it says what changed and asks for the next decision;
// the same changes and the same times give the same decisions.
//
// The order. A turn goes to the group of owners with the least in use for its weight, in it to the
// owner with the least in use for their weight, and among equals to the one who has waited longest
// since they joined or were served. What is in use are the cores of active jobs, at least one a
// job. An owner's jobs go by priority, then by age.
//
// Caps. An owner who has as many active jobs as one may have is not a candidate. That holds back
// nobody else.
//
// Reservation. The first job in this order that does not fit gets a reservation: the earliest time
// at which it fits, by the time limits of what runs. A job later in the order starts if it fits now
// and does not move the reservation: it ends before, or it takes only what is left beside the job
// that has it. This is EASY backfill, see Mu'alem and Feitelson, "Utilization, Predictability,
// Workloads, and User Runtime Estimates in Scheduling the IBM SP2 with Backfilling", IEEE
// Transactions on Parallel and Distributed Systems 12(6), 2001. A job that was overtaken keeps its
// reservation until it starts, leaves, or its owner reaches a cap.
//
// Jobs without a time limit. Where the reservation depends on the end of one, its time is unknown.
// Then any job that fits may start, as long as the reserved job would not fit even without those
// that overtook it. From then on it is overtaken no more, so those that overtook it delay it by the
// time that they still run, and never again.
//
// Cost. Every change and every decision takes time in the order of the logarithm of the waiting
// jobs, and of the running jobs of the executor where there is a reservation. Of each owner a
// decision looks at a bounded number of jobs.
package policy
