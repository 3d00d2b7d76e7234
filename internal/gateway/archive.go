package gateway

import (
	"archive/zip"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/reason"
)

// downloadArchive answers with all result files of a job as a zip archive,
// made while it is sent. When a file cannot be read to its end the connection breaks
// before the archive's directory, so that nobody takes it for complete.
func (g *gateway) downloadArchive(w http.ResponseWriter, r *http.Request, id string, values url.Values) {
	if p := checkOwnQuery(values); p != nil {
		g.refuse(w, r, p)
		return
	}
	ctx, err := g.callContext(r, jobsv1.JobService_ReadResult_FullMethodName)
	if err != nil {
		g.refuse(w, r, g.problemOf(r.Context(), err))
		return
	}
	list, err := g.jobs.ListResults(ctx, &jobsv1.ListResultsRequest{Id: id})
	if err != nil {
		g.refuse(w, r, g.problemOf(ctx, err))
		return
	}
	if list.GetTruncated() {
		g.refuse(w, r, newProblem(reason.TooManyFiles,
			fmt.Sprintf("The job has more result files than the %d that can be listed; download those you need one by one.", len(list.GetFiles()))))
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", disposition(true, "job-"+id+"-results.zip"))
	if r.Method == http.MethodHead {
		return
	}
	if err := g.writeArchive(ctx, w, id, list.GetFiles()); err != nil {
		g.breakOff(ctx, "results.zip of job "+id, err)
	}
}

func (g *gateway) writeArchive(ctx context.Context, w io.Writer, id string, files []*jobsv1.ResultFile) error {
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestSpeed)
	})
	taken := map[string]bool{}
	for _, file := range files {
		if err := g.addToArchive(ctx, archive, id, file.GetPath(), taken); err != nil {
			return fmt.Errorf("add %s: %w", file.GetPath(), err)
		}
	}
	return archive.Close()
}

// addToArchive copies one result file into the archive.
func (g *gateway) addToArchive(ctx context.Context, archive *zip.Writer, id, filePath string, taken map[string]bool) error {
	f, err := openFile(ctx, g.resultOpener(id, filePath), true)
	if err != nil {
		return err
	}
	defer f.Close()
	name := entryName(filePath, taken)
	header := &zip.FileHeader{Name: name, Modified: archiveTime(f.info.modified), Method: zip.Deflate}
	header.SetMode(0o644)
	if compressed(name) {
		header.Method = zip.Store
	}
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, f)
	return err
}

// entryName is a name that no unpacker puts elsewhere than below its folder,
// and that nothing else in the archive has. Windows takes a backslash for a separator and a colon for a drive.
func entryName(filePath string, taken map[string]bool) string {
	name := strings.Map(func(c rune) rune {
		if c == '\\' || c == ':' || c < ' ' || c == 0x7f {
			return '_'
		}
		return c
	}, filePath)
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	extension := path.Ext(name)
	base := strings.TrimSuffix(name, extension)
	for n := 2; taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s-%d%s", base, n, extension)
	}
	taken[strings.ToLower(name)] = true
	return name
}

// archiveTime is the nearest time that an archive can have. Readers differ in which of an entry's two times they show:
// that of DOS has years from 1980 to 2107, that of Unix ends in 2106.
func archiveTime(t time.Time) time.Time {
	first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)
	switch t = t.UTC(); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

// compressed reports whether a file of that name gains nothing from being compressed again.
func compressed(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".gz", ".bgz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".bam", ".cram", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf":
		return true
	}
	return false
}
