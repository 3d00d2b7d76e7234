package slurm

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stint-jobs/stint/internal/executor/batch"
)

// Separators that no name of ours has and no sane name of anybody.
const (
	fieldEnd = "\x1f"
	rowEnd   = "\x1e"
)

// queueFormat is squeue's -O. These names are in every release from 20.11 to
// 25.11; a name with a suffix but no width is not cut. The name comes last and ends the row, so that
// a stranger's line break does not.
var queueFormat = strings.Join([]string{
	"JobID", "State", "Reason", "exit_code", "RestartCnt", "NodeList", "SubmitTime", "StartTime", "EndTime", "Name",
}, ":"+fieldEnd+",") + ":" + rowEnd

// parseQueue reads squeue's answer. A row that is not as it was asked for
// belongs to a name with separators in it, which is not ours, and is left out. An answer that breaks off is an error.
func parseQueue(out string) ([]batch.Row, error) {
	var rows []batch.Row
	for out = strings.TrimLeft(out, "\n"); out != ""; out = strings.TrimLeft(out, "\n") {
		line, rest, ok := strings.Cut(out, rowEnd)
		if !ok {
			return nil, fmt.Errorf("squeue's answer breaks off in %.60q", out)
		}
		if r, ok := parseRow(line); ok {
			rows = append(rows, r)
		}
		out = rest
	}
	return rows, nil
}

func parseRow(line string) (batch.Row, bool) {
	f := strings.Split(line, fieldEnd)
	if len(f) != 10 || !isNumber(f[0]) {
		return batch.Row{}, false
	}
	r := batch.Row{ID: f[0], State: f[1], Node: unset(f[5]), Name: f[9]}
	r.Code, r.Signal = parseExit(f[3])
	r.Restarts, _ = strconv.Atoi(f[4])
	r.Submit, r.Start, r.End = parseTime(f[6]), parseTime(f[7]), parseTime(f[8])
	explain(&r, f[2])
	return r, true
}

// acctFields is sacct's -o, all known from 20.11 to 25.11.
var acctFields = []string{
	"JobIDRaw", "State", "ExitCode", "ElapsedRaw", "TotalCPU", "MaxRSS", "AllocTRES", "NodeList", "Submit", "Start", "End", "Reason", "JobName",
}

// parseAccounts reads sacct's answer. Rows of steps follow their job and are added to it.
func parseAccounts(out string) []batch.Account {
	var all []batch.Account
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), fieldEnd)
		if len(f) != len(acctFields) {
			continue
		}
		id, _, isStep := strings.Cut(f[0], ".")
		switch {
		case !isNumber(id):
		case !isStep:
			all = append(all, parseAccount(f))
		case len(all) > 0 && all[len(all)-1].ID == id:
			addStep(&all[len(all)-1], f)
		}
	}
	return all
}

func parseAccount(f []string) batch.Account {
	a := batch.Account{Row: batch.Row{ID: f[0], Node: unset(f[7]), Name: f[12]}}
	a.State, a.UID, _ = strings.Cut(f[1], " by ")
	a.Code, a.Signal = parseExit(f[2])
	explain(&a.Row, f[11])
	a.Submit, a.Start, a.End = parseTime(f[8]), parseTime(f[9]), parseTime(f[10])
	elapsed, _ := strconv.ParseFloat(f[3], 64)
	a.Usage.ElapsedSeconds = elapsed
	a.Usage.CPUSeconds = parseCPU(f[4])
	for tres := range strings.SplitSeq(f[6], ",") {
		switch name, value, _ := strings.Cut(tres, "="); name {
		case "cpu":
			if n, err := strconv.ParseInt(value, 10, 32); err == nil {
				a.Usage.CPUs = int32(n)
			}
		case "mem":
			a.Usage.MemoryBytes = parseBytes(value, 1<<20)
		}
	}
	return a
}

// addStep takes the largest memory of the steps; a job's own row never has it.
func addStep(a *batch.Account, step []string) {
	a.Usage.MaxRSSBytes = max(a.Usage.MaxRSSBytes, parseBytes(step[5], 1))
	a.Usage.CPUSeconds = max(a.Usage.CPUSeconds, parseCPU(step[4]))
}

// parseExit reads an exit code in either of its forms: `CODE:SIGNAL`, or a wait
// status as squeue before 23.02 gives it.
func parseExit(s string) (code, signal int) {
	if c, sig, ok := strings.Cut(s, ":"); ok {
		code, _ = strconv.Atoi(c)
		signal, _ = strconv.Atoi(sig)
		return code & 0xff, signal & 0x7f
	}
	status, err := strconv.ParseUint(s, 10, 32)
	const noValue = 4294967294
	if err != nil || status >= noValue {
		return 0, 0
	}
	if signal := int(status & 0x7f); signal != 0 {
		return 0, signal
	}
	return int(status >> 8 & 0xff), 0
}

// parseTime reads seconds since 1970, as SLURM_TIME_FORMAT=%s makes them.
func parseTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n >= 1<<32-2 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// parseCPU reads [DAYS-][HOURS:]MINUTES:SECONDS[.FRACTION] into seconds.
func parseCPU(s string) float64 {
	total := 0.0
	if days, rest, ok := strings.Cut(s, "-"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0
		}
		total, s = float64(n)*24, rest
		if strings.Count(s, ":") != 2 {
			return 0
		}
	}
	for i, part := range strings.Split(s, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || !(n >= 0 && n < 1e6) || i > 2 {
			return 0
		}
		if i == 0 {
			total += n
			continue
		}
		total = total*60 + n
	}
	return total
}

// parseBytes reads an amount with an optional K, M, G or T; unit is that of a number without one.
func parseBytes(s string, unit float64) int64 {
	s = strings.TrimRight(s, "cn") // per core or per node, in old releases
	if i := strings.IndexByte("KMGTP", last(s)); i >= 0 && s != "" {
		unit, s = float64(int64(1)<<(10*(i+1))), s[:len(s)-1]
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n*unit < 1<<62) {
		return 0
	}
	return int64(n * unit)
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// unset makes the words that stand for nothing empty.
func unset(s string) string {
	switch s {
	case "N/A", "(null)", "None", "None assigned", "Unknown":
		return ""
	default:
		return s
	}
}

var submittedPattern = regexp.MustCompile(`(?m)^(\d+)(?:;\S*)?$`)

// parseSubmitted finds the id in what `sbatch --parsable` printed, among whatever a site's plug-ins print.
func parseSubmitted(out string) (id string, ok bool) {
	all := submittedPattern.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1][1], true
}

// parseConfig reads `scontrol show config` into its settings.
func parseConfig(out string) map[string]string {
	settings := make(map[string]string)
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(line, "="); ok {
			settings[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return settings
}

// parseSeconds reads `300 sec`.
func parseSeconds(s string) time.Duration {
	number, _, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// parseSample reads JobAcctGatherFrequency: `30`, or `task=30,network=60`. Zero means no samples.
func parseSample(s string) time.Duration {
	for part := range strings.SplitSeq(s, ",") {
		if d := parseSeconds(strings.TrimPrefix(part, "task=")); d > 0 {
			return d
		}
	}
	return 0
}

func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
