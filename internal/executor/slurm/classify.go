package slurm

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/executor/batch"
)

// What sbatch says is in all releases from 20.11 to 25.11 (slurm_errno.c, sbatch.c): lines that
// begin with its name, and as the last of them "Batch job submission failed: " with one of Slurm's own
// errors. All other lines may be of a site's plug-ins. What to do is decided by Slurm's error, never by a
// word of a plug-in, unless that speaks of a failure of the connection: then the job may be there.
var (
	failedPattern = regexp.MustCompile(`(?m)^sbatch: error: Batch job submission failed: (.*)$`)
	ownPattern    = regexp.MustCompile(`(?m)^sbatch: (error: |fatal: |unrecognized option|invalid option|option )`)
	doubtPattern  = regexp.MustCompile(`(?i)timed[ -]?out|socket (error|timed|closed)|missing socket|zero bytes|connection (reset|refused|closed)|broken pipe|` +
		`communication|message (send|receive)|(send|receive) (failure|error)|unable to contact`)
	// awayPattern are errors with which the controller never had the job.
	awayPattern = regexp.MustCompile(`(?i)^(unable to contact slurm controller|slurm (backup )?controller (not|in standby)|protocol authentication error|` +
		`.*authentication credential|.*(could not establish a configuration source|unable to process configuration file)|.*(munge|auth(entication)? plugin))`)
	fullPattern = regexp.MustCompile(`(?i)temporarily unable to accept job|^resource temporarily unavailable|job queue full`)
	// limitPattern are the reasons that sbatch gives in a line of their own when a number of jobs is reached: AssocMaxSubmitJobLimit and its kin.
	limitPattern  = regexp.MustCompile(`(?m)^sbatch: error: ((?:Assoc|QOS|MaxSubmit)\w*Submit\w*|MaxSubmitJob\w*)\s*$`)
	closedPattern = regexp.MustCompile(`(?i)^required partition not available \(inactive or drain\)`)
	// laterPattern are further errors that speak of now: what is asked for is there, and is not given for a while.
	laterPattern = regexp.MustCompile(`(?i)^(required node not available \(down, drained or reserved\)|requested nodes are busy|requested partition configuration not available now|` +
		`requested reservation not usable now|requested operation is presently disabled|reservation is busy|.*licenses? (currently|not) available)`)
	// optionPattern are complaints about options, with which sbatch gives up before it asks the controller.
	optionPattern = regexp.MustCompile(`(?i)invalid|unrecognized|can ?not be satisfied|not permitted|not allowed|incorrect|not supported|must be specified|` +
		`terminated with error|requires an argument|conflict`)
)

// doubtful reports whether words speak of a connection that failed.
func doubtful(words string) bool { return doubtPattern.MatchString(words) }

// classify returns what an answer of sbatch means. What is not certain is Uncertain.
func classify(a batch.Answer) batch.Submitted {
	id, found := parseSubmitted(a.Stdout)
	words := batch.Plain(a.Words())
	uncertain := batch.Submitted{Err: a.Failure(), Words: words}
	switch {
	case a.OK() && found:
		return batch.Submitted{Outcome: batch.Accepted, ID: id}
	case errors.Is(a.Err, batch.ErrNoProcess):
		return batch.Submitted{Outcome: batch.Unavailable, Err: a.Failure(), Words: words}
	case errors.Is(a.Err, batch.ErrTimeout) && fullPattern.MatchString(a.Stderr): // sbatch tries again by itself, for longer than we wait
		uncertain.Hold = full(words)
		return uncertain
	case a.Err != nil:
		return uncertain
	case a.OK():
		uncertain.Err = fmt.Errorf("sbatch succeeded without telling an id: %q", batch.Plain(a.Stdout))
		return uncertain
	}
	if failed := failedPattern.FindAllStringSubmatch(a.Stderr, -1); len(failed) > 0 && a.Code == 1 {
		return failedWith(strings.TrimSpace(failed[len(failed)-1][1]), a)
	}
	switch away := awayPattern.MatchString(words); {
	case doubtful(a.Stderr) && !away, !ownPattern.MatchString(a.Stderr):
		return uncertain
	case away:
		return batch.Submitted{Outcome: batch.Unavailable, Err: a.Failure(), Words: words}
	case a.Code == 255, a.Code == 1 && optionPattern.MatchString(words):
		return batch.Submitted{Outcome: batch.Refused, Message: refusal("", words)}
	default:
		return uncertain
	}
}

// failedWith returns what one of Slurm's errors means.
func failedWith(why string, a batch.Answer) batch.Submitted {
	words := batch.Plain(a.Words())
	held := func(h batch.Hold) batch.Submitted {
		return batch.Submitted{Outcome: batch.Deferred, Err: a.Failure(), Words: words, Hold: h}
	}
	switch before := failedPattern.ReplaceAllString(a.Stderr, ""); {
	case doubtful(before): // one of several controllers may have it, whatever the last one said
		return batch.Submitted{Err: a.Failure(), Words: words}
	case fullPattern.MatchString(why), fullPattern.MatchString(a.Stderr) && ofThisSystem(why), limitPattern.MatchString(a.Stderr):
		return held(full(words))
	case awayPattern.MatchString(why):
		return batch.Submitted{Outcome: batch.Unavailable, Err: a.Failure(), Words: words}
	case doubtful(why), ofThisSystem(why), why == "":
		return batch.Submitted{Err: a.Failure(), Words: words}
	case closedPattern.MatchString(why):
		return held(batch.Hold{
			Reason:  jobsv1.Reason_REASON_ENGINE_HELD,
			Message: "The partition of the cluster is closed for now; the job is handed over again until it is taken. The cluster said: " + sentence(words),
		})
	case laterPattern.MatchString(why):
		return held(batch.Hold{
			Reason:  jobsv1.Reason_REASON_ENGINE_HELD,
			Message: "The cluster does not take the job for now; it is handed over again until it is taken. The cluster said: " + sentence(words),
		})
	default:
		return batch.Submitted{Outcome: batch.Refused, Message: refusal(why, words)}
	}
}

func full(words string) batch.Hold {
	return batch.Hold{
		Reason:  jobsv1.Reason_REASON_WAITING_FOR_ENGINE,
		Message: "The cluster takes no more jobs for now; it is handed over again until it is taken. The cluster said: " + sentence(words),
	}
}

// ofThisSystem reports whether an error is one of the operating system's: then it is not the controller's no,
// but something happened on the way.
func ofThisSystem(why string) bool {
	for n := syscall.Errno(1); n < 134; n++ {
		if strings.EqualFold(n.Error(), why) {
			return true
		}
	}
	return strings.EqualFold(why, "success") || strings.EqualFold(why, "no error")
}

// advice is for errors of Slurm's own, as a whole.
var advice = map[string]string{
	"invalid account or account/partition combination specified":      "The account may not be used here; the operator can set another.",
	"invalid partition name specified":                                "The cluster has no such partition.",
	"requested node configuration is not available":                   "It asks for more than any node has.",
	"memory required by task is not available":                        "It asks for more than any node has.",
	"invalid feature specification":                                   "No node has what its constraint asks for.",
	"requested time limit is invalid (missing or exceeds some limit)": "Its time limit is longer than the cluster allows.",
}

// ownWords are lines of sbatch's own beside its error, which say no more than that.
var ownWords = regexp.MustCompile(`(?i)^(memory specification can ?not be satisfied|cpu count per node can ?not be satisfied|invalid partition specified: .*|invalid account.*)$`)

// refusal is Slurm's no in plain words: what a site's plug-ins said, Slurm's own error, and advice where that
// error bears it out and no plug-in knows better.
func refusal(why, words string) string {
	var said []string
	alone := true
	for line := range strings.SplitSeq(words, "; ") {
		reason, last := strings.CutPrefix(line, failedPrefix)
		if last && strings.EqualFold(reason, "unspecified error") && len(said) > 0 {
			continue // a plug-in's no, which it explained
		}
		alone = alone && (last || ownWords.MatchString(line))
		said = append(said, reason)
	}
	message := "The cluster refused the job: " + sentence(strings.Join(said, "; "))
	if hint := advice[strings.ToLower(why)]; hint != "" && alone {
		message += " " + hint
	}
	return message
}

const failedPrefix = "Batch job submission failed: "

func sentence(words string) string { return strings.TrimRight(words, ". ") + "." }
