package slurm

import (
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
)

const (
	resources = jobsv1.Reason_REASON_WAITING_FOR_RESOURCES
	turn      = jobsv1.Reason_REASON_WAITING_FOR_TURN
	held      = jobsv1.Reason_REASON_ENGINE_HELD
)

// reasons has Slurm's own words. docs/slurm.md explains them to operators.
var reasons = map[string]batch.Waiting{
	"":                            {Reason: resources, Words: "Waiting for the cluster to look at it."},
	"None":                        {Reason: resources, Words: "Waiting for the cluster to look at it."},
	"Resources":                   {Reason: resources, Words: "Waiting for free cores, memory or nodes on the cluster."},
	"Priority":                    {Reason: turn, Words: "Waiting for its turn: the cluster starts jobs of a higher priority first."},
	"Dependency":                  {Reason: turn, Words: "Waiting for an earlier submission of the same job to end."},
	"Licenses":                    {Reason: resources, Words: "Waiting for a licence on the cluster."},
	"BeginTime":                   {Reason: turn, Words: "The cluster starts it at a later time."},
	"Reservation":                 {Reason: resources, Words: "Waiting for its reservation on the cluster to begin."},
	"ReqNodeNotAvail":             {Reason: resources, Words: "Waiting for nodes that are down, drained or reserved."},
	"NodeDown":                    {Reason: resources, Words: "Waiting for nodes that are down."},
	"FrontEndDown":                {Reason: resources, Words: "Waiting for nodes that are down."},
	"PartitionDown":               {Reason: held, Words: "The partition of the cluster is closed for now."},
	"PartitionInactive":           {Reason: held, Words: "The partition of the cluster is closed for now."},
	"Prolog":                      {Reason: resources, Words: "The cluster is making its nodes ready."},
	"Cleaning":                    {Reason: resources, Words: "The cluster is clearing up after an earlier run."},
	"BurstBufferResources":        {Reason: resources, Words: "Waiting for fast storage on the cluster."},
	"BurstBufferStageIn":          {Reason: resources, Words: "The cluster is copying files to fast storage."},
	"PowerNotAvail":               {Reason: resources, Words: "Waiting for electrical power on the cluster."},
	"PowerReserved":               {Reason: resources, Words: "Waiting for electrical power on the cluster."},
	"JobHeldUser":                 {Reason: held, Words: "Held on the cluster by a user."},
	"JobHeldAdmin":                {Reason: held, Words: "Held by the administrator of the cluster."},
	"JobHoldMaxRequeue":           {Reason: held, Words: "Held by the cluster: it failed to start too often."},
	"job requeued in held state":  {Reason: held, Words: "Taken off its node and held by the administrator of the cluster."},
	"launch failed requeued held": {Reason: held, Words: "Held by the cluster: a node could not start it."},
	"ReservationDeleted":          {Reason: held, Words: "Held by the cluster: its reservation was deleted."},
	"InvalidAccount":              {Reason: held, Words: "The cluster does not accept its account any more."},
	"AccountNotAllowed":           {Reason: held, Words: "Its account may not use this partition of the cluster."},
	"InvalidQOS":                  {Reason: held, Words: "The cluster does not accept its quality of service any more."},
	"QOSNotAllowed":               {Reason: held, Words: "Its quality of service may not use this partition of the cluster."},
	"PartitionConfig":             {Reason: resources, Words: "It asks for more than the partition of the cluster has: it can never start.", Never: true},
	"PartitionNodeLimit":          {Reason: resources, Words: "It asks for more nodes than the partition of the cluster gives: it can never start.", Never: true},
	"PartitionTimeLimit":          {Reason: resources, Words: "Its time limit is longer than the partition of the cluster allows: it can never start.", Never: true},
	"BadConstraints":              {Reason: resources, Words: "No node of the cluster has what it asks for: it can never start.", Never: true},
	"DependencyNeverSatisfied":    {Reason: turn, Words: "It depends on a job that failed: it can never start.", Never: true},
	"AssociationJobLimit":         {Reason: turn, Words: "Waiting for other jobs of its account to end: the cluster limits their number."},
	"AssociationResourceLimit":    {Reason: turn, Words: "Waiting for other jobs of its account to end: the cluster limits what they use."},
	"AssociationTimeLimit":        {Reason: turn, Words: "The account has used up its time on the cluster."},
	"QOSJobLimit":                 {Reason: turn, Words: "Waiting for other jobs to end: the cluster limits their number."},
	"QOSResourceLimit":            {Reason: turn, Words: "Waiting for other jobs to end: the cluster limits what they use."},
	"QOSTimeLimit":                {Reason: turn, Words: "The time for this quality of service is used up."},
	"QOSUsageThreshold":           {Reason: turn, Words: "Waiting: the cluster's usage threshold is reached."},
	"JobArrayTaskLimit":           {Reason: turn, Words: "Waiting for its turn."},
	"SchedDefer":                  {Reason: resources, Words: "Waiting for the cluster to look at it."},
	"MaxRequeueExceed":            {Reason: held, Words: "Held by the cluster: it was queued again too often."},
	"SystemFailure":               {Reason: held, Words: "Held by the cluster after a failure of its own."},
	"DeadLine":                    {Reason: turn, Words: "Waiting for its turn."},
	"FedJobLock":                  {Reason: resources, Words: "Waiting for the federation of clusters to agree."},
	"NodeNotAvail":                {Reason: resources, Words: "Waiting for nodes that are down, drained or reserved."},
	"Nodes required for job are":  {Reason: resources, Words: "Waiting for nodes that are down, drained or reserved."},
}

// whyPending explains a pending job's reason. Words that are not in the table
// are shown as they are: some sites and releases have their own.
func whyPending(reason string) batch.Waiting {
	if w, ok := reasons[reason]; ok {
		return w
	}
	word, _, _ := strings.Cut(reason, ",")
	if w, ok := reasons[strings.TrimSpace(word)]; ok {
		return w
	}
	switch {
	case strings.HasPrefix(reason, "Assoc"), strings.HasPrefix(reason, "QOSGrp"), strings.HasPrefix(reason, "QOSMax"), strings.HasPrefix(reason, "MaxCpu"),
		strings.HasPrefix(reason, "QOSMin"):
		return batch.Waiting{Reason: turn, Words: "Waiting for other jobs to end: a limit of the cluster on accounts or users is reached (" + batch.Plain(reason) + ")."}
	case strings.Contains(reason, "held"), strings.Contains(reason, "Held"):
		return batch.Waiting{Reason: held, Words: "Held by the cluster (" + batch.Plain(reason) + ")."}
	case strings.HasPrefix(reason, "Nodes required for job are"):
		return reasons["Nodes required for job are"]
	default:
		return batch.Waiting{Reason: resources, Words: "Waiting on the cluster (" + batch.Plain(reason) + ")."}
	}
}
