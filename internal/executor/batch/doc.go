// Package batch runs attempts on a cluster through a batch system: however its
// commands lie, hang or die, the command of an attempt is run at most once, and the end that is
// reported is the true one. What is particular to one batch system is an Engine.
//
// What it rests on:
//
//   - The name of an attempt is its token, which is the name of its job on the cluster. Batch systems hand ids
//     out again, so a row is ours only if its name is our token.
//   - The intent to submit is a durable file in the attempt's folder before the job is submitted. When it is not
//     known whether that succeeded, later polls and accounting tell. Only an attempt that is proven absent is
//     submitted again, under the same token.
//   - The job's script takes a lock in the attempt's folder before it runs the command, so that of
//     several jobs with one token, or of several runs of one, a single one runs the command. Whoever
//     holds that lock knows that nothing else can ever run it; that is also how an attempt is given up safely.
//   - States come from one poll for all jobs of the cluster, in one loop (Cluster.Run). A poll that
//     failed changes nothing: what is missing from it is not gone.
//   - Results come from the exit record that the script leaves in the folder, as the folder is shared with the
//     nodes. The batch system says what happened to the job, the record how the command ended.
//
// What the files named batch.* in an attempt's folder are stands in files.go.
package batch
