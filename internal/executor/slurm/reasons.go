package slurm

import (
	"strings"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// why is what one of Slurm's reasons for waiting means to the user.
type why struct {
	reason jobsv1.Reason
	words  string
	// never says that waiting does not help.
	never bool
}

const (
	resources = jobsv1.Reason_REASON_WAITING_FOR_RESOURCES
	turn      = jobsv1.Reason_REASON_WAITING_FOR_TURN
	held      = jobsv1.Reason_REASON_ENGINE_HELD
)

// reasons has Slurm's own words. docs/slurm.md explains them to operators.
var reasons = map[string]why{
	"":                           {resources, "Waiting for the cluster to look at it.", false},
	"None":                       {resources, "Waiting for the cluster to look at it.", false},
	"Resources":                  {resources, "Waiting for free cores, memory or nodes on the cluster.", false},
	"Priority":                   {turn, "Waiting for its turn: the cluster starts jobs of a higher priority first.", false},
	"Dependency":                 {turn, "Waiting for an earlier submission of the same job to end.", false},
	"Licenses":                   {resources, "Waiting for a licence on the cluster.", false},
	"BeginTime":                  {turn, "The cluster starts it at a later time.", false},
	"Reservation":                {resources, "Waiting for its reservation on the cluster to begin.", false},
	"ReqNodeNotAvail":            {resources, "Waiting for nodes that are down, drained or reserved.", false},
	"NodeDown":                   {resources, "Waiting for nodes that are down.", false},
	"FrontEndDown":               {resources, "Waiting for nodes that are down.", false},
	"PartitionDown":              {held, "The partition of the cluster is closed for now.", false},
	"PartitionInactive":          {held, "The partition of the cluster is closed for now.", false},
	"Prolog":                     {resources, "The cluster is making its nodes ready.", false},
	"Cleaning":                   {resources, "The cluster is clearing up after an earlier run.", false},
	"BurstBufferResources":       {resources, "Waiting for fast storage on the cluster.", false},
	"BurstBufferStageIn":         {resources, "The cluster is copying files to fast storage.", false},
	"PowerNotAvail":              {resources, "Waiting for electrical power on the cluster.", false},
	"PowerReserved":              {resources, "Waiting for electrical power on the cluster.", false},
	"JobHeldUser":                {held, "Held on the cluster by a user.", false},
	"JobHeldAdmin":               {held, "Held by the administrator of the cluster.", false},
	"JobHoldMaxRequeue":          {held, "Held by the cluster: it failed to start too often.", false},
	"job requeued in held state": {held, "Taken off its node and held by the administrator of the cluster.", false},
	"launch failed requeued held": {
		held, "Held by the cluster: a node could not start it.", false,
	},
	"ReservationDeleted":         {held, "Held by the cluster: its reservation was deleted.", false},
	"InvalidAccount":             {held, "The cluster does not accept its account any more.", false},
	"AccountNotAllowed":          {held, "Its account may not use this partition of the cluster.", false},
	"InvalidQOS":                 {held, "The cluster does not accept its quality of service any more.", false},
	"QOSNotAllowed":              {held, "Its quality of service may not use this partition of the cluster.", false},
	"PartitionConfig":            {resources, "It asks for more than the partition of the cluster has: it can never start.", true},
	"PartitionNodeLimit":         {resources, "It asks for more nodes than the partition of the cluster gives: it can never start.", true},
	"PartitionTimeLimit":         {resources, "Its time limit is longer than the partition of the cluster allows: it can never start.", true},
	"BadConstraints":             {resources, "No node of the cluster has what it asks for: it can never start.", true},
	"DependencyNeverSatisfied":   {turn, "It depends on a job that failed: it can never start.", true},
	"AssociationJobLimit":        {turn, "Waiting for other jobs of its account to end: the cluster limits their number.", false},
	"AssociationResourceLimit":   {turn, "Waiting for other jobs of its account to end: the cluster limits what they use.", false},
	"AssociationTimeLimit":       {turn, "The account has used up its time on the cluster.", false},
	"QOSJobLimit":                {turn, "Waiting for other jobs to end: the cluster limits their number.", false},
	"QOSResourceLimit":           {turn, "Waiting for other jobs to end: the cluster limits what they use.", false},
	"QOSTimeLimit":               {turn, "The time for this quality of service is used up.", false},
	"QOSUsageThreshold":          {turn, "Waiting: the cluster's usage threshold is reached.", false},
	"JobArrayTaskLimit":          {turn, "Waiting for its turn.", false},
	"SchedDefer":                 {resources, "Waiting for the cluster to look at it.", false},
	"MaxRequeueExceed":           {held, "Held by the cluster: it was queued again too often.", false},
	"SystemFailure":              {held, "Held by the cluster after a failure of its own.", false},
	"DeadLine":                   {turn, "Waiting for its turn.", false},
	"FedJobLock":                 {resources, "Waiting for the federation of clusters to agree.", false},
	"NodeNotAvail":               {resources, "Waiting for nodes that are down, drained or reserved.", false},
	"Nodes required for job are": {resources, "Waiting for nodes that are down, drained or reserved.", false},
}

// whyPending explains a pending job's reason. Words that are not in the table
// are shown as they are: some sites and releases have their own.
func whyPending(reason string) why {
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
		return why{reason: turn, words: "Waiting for other jobs to end: a limit of the cluster on accounts or users is reached (" + plain(reason) + ")."}
	case strings.Contains(reason, "held"), strings.Contains(reason, "Held"):
		return why{reason: held, words: "Held by the cluster (" + plain(reason) + ")."}
	case strings.HasPrefix(reason, "Nodes required for job are"):
		return reasons["Nodes required for job are"]
	default:
		return why{reason: resources, words: "Waiting on the cluster (" + plain(reason) + ")."}
	}
}

// plain makes text of the cluster safe to show on one line.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strings.TrimSpace(s)
}
