package workspace

import (
	"fmt"
	"io/fs"
	"mime"
	"path"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
)

const unknownType = "application/octet-stream"

// types are the media types of file name endings that the system's own table
// lacks or gives differently from machine to machine.
var types = map[string]string{
	".aln":    "text/plain; charset=utf-8",
	".bam":    "application/x-bam",
	".bed":    "text/x-bed; charset=utf-8",
	".bz2":    "application/x-bzip2",
	".csv":    "text/csv; charset=utf-8",
	".embl":   "text/x-embl; charset=utf-8",
	".err":    "text/plain; charset=utf-8",
	".fa":     "text/x-fasta; charset=utf-8",
	".faa":    "text/x-fasta; charset=utf-8",
	".fas":    "text/x-fasta; charset=utf-8",
	".fasta":  "text/x-fasta; charset=utf-8",
	".fastq":  "text/x-fastq; charset=utf-8",
	".ffn":    "text/x-fasta; charset=utf-8",
	".fna":    "text/x-fasta; charset=utf-8",
	".fq":     "text/x-fastq; charset=utf-8",
	".gb":     "text/x-genbank; charset=utf-8",
	".gbk":    "text/x-genbank; charset=utf-8",
	".gff":    "text/x-gff3; charset=utf-8",
	".gff3":   "text/x-gff3; charset=utf-8",
	".gtf":    "text/x-gtf; charset=utf-8",
	".gz":     "application/gzip",
	".htm":    "text/html; charset=utf-8",
	".html":   "text/html; charset=utf-8",
	".json":   "application/json",
	".jsonl":  "application/x-ndjson",
	".log":    "text/plain; charset=utf-8",
	".md":     "text/markdown; charset=utf-8",
	".newick": "text/x-newick; charset=utf-8",
	".nex":    "text/x-nexus; charset=utf-8",
	".nexus":  "text/x-nexus; charset=utf-8",
	".nwk":    "text/x-newick; charset=utf-8",
	".out":    "text/plain; charset=utf-8",
	".pdb":    "chemical/x-pdb",
	".pdf":    "application/pdf",
	".phy":    "text/x-phylip; charset=utf-8",
	".png":    "image/png",
	".sam":    "text/x-sam; charset=utf-8",
	".sto":    "text/x-stockholm; charset=utf-8",
	".svg":    "image/svg+xml",
	".tab":    "text/tab-separated-values; charset=utf-8",
	".tar":    "application/x-tar",
	".tree":   "text/x-newick; charset=utf-8",
	".tsv":    "text/tab-separated-values; charset=utf-8",
	".txt":    "text/plain; charset=utf-8",
	".vcf":    "text/x-vcf; charset=utf-8",
	".xml":    "application/xml",
	".xz":     "application/x-xz",
	".yaml":   "application/yaml",
	".yml":    "application/yaml",
	".zip":    "application/zip",
	".zst":    "application/zstd",
}

// ContentType is the media type of a file by the ending of its name, in any
// case; `application/octet-stream` where the ending says nothing. It says nothing of the content.
func ContentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return unknownType
}

// entry describes what is at a clean path.
func entry(clean string, info fs.FileInfo) *workspacev1.WorkspaceEntry {
	e := &workspacev1.WorkspaceEntry{Path: clean, Folder: info.IsDir(), ModifyTime: timestamppb.New(info.ModTime())}
	if !e.Folder {
		e.SizeBytes, e.ContentType = info.Size(), ContentType(clean)
	}
	return e
}

// FormatSize writes a number of bytes for people.
func FormatSize(n int64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	f, units := float64(n)/step, []string{"kB", "MB", "GB", "TB", "PB"}
	for len(units) > 1 && f >= step {
		f, units = f/step, units[1:]
	}
	return fmt.Sprintf("%.1f %s", f, units[0])
}
