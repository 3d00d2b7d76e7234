package staging

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/stint-jobs/stint/internal/catalog"
	"github.com/stint-jobs/stint/internal/executor"
	"github.com/stint-jobs/stint/internal/workdir"
)

// usualFolders are those where programs are on every system.
var usualFolders = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// searchPath is the PATH of commands made of this process's own. A relative entry would
// mean another program in each job's folder.
func searchPath(own string) string {
	var folders []string
	for _, f := range append(filepath.SplitList(own), usualFolders...) {
		if filepath.IsAbs(f) && !slices.Contains(folders, f) {
			folders = append(folders, f)
		}
	}
	return strings.Join(folders, string(filepath.ListSeparator))
}

// environment is all that a command gets to know of its surroundings. Nothing
// of the server's own environment is in it but, by default, PATH. What users choose
// only comes under names that begin with STINT_.
func (a *Area) environment(t executor.Task, s *catalog.Service, local *structpb.Struct) []string {
	j, dir, r := t.Job, t.Dir, t.Command.Resources
	cpus := strconv.Itoa(int(r.GetCpus()))
	env := []string{
		"PATH=" + a.path,
		"HOME=" + dir.TmpPath(),
		"TMPDIR=" + dir.TmpPath(),
		"LANG=C.UTF-8",
		"TZ=UTC",
		"OMP_NUM_THREADS=" + cpus, // or programs take all cores of the machine
		"STINT_JOB_ID=" + j.GetId(),
		"STINT_ATTEMPT=" + a.attemptName(dir),
		"STINT_SERVICE=" + j.GetService(),
		"STINT_OWNER=" + j.GetOwner(),
		"STINT_OUTPUT_NAME=" + j.GetOutputName(),
		"STINT_OUTPUT_DIR=" + dir.OutputPath(),
		"STINT_PARAMS=" + a.cfg.Folders.Job(dir.JobID()).ParamsPath(),
		"STINT_PROGRESS=" + dir.ProgressPath(),
		"STINT_CPUS=" + cpus,
		"STINT_MEMORY_BYTES=" + strconv.FormatInt(r.GetMemoryBytes(), 10),
	}
	if a.cfg.Report != nil {
		if url, token := a.cfg.Report(j, t.Attempt); url != "" {
			env = append(env, executor.ReportVariable+"="+url, executor.TokenVariable+"="+token)
		}
	}
	return append(env, s.Env(local)...)
}

// attemptName names an attempt among those of all installations: whoever finds
// a process with it knows where it belongs.
func (a *Area) attemptName(dir workdir.Attempt) string {
	return a.cfg.InstallID + "-" + dir.JobID().String() + "-" + strconv.Itoa(dir.Number())
}
