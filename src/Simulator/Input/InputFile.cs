namespace XenSim.Simulator.Input;

/// <summary>Reads the user's files, with a size limit and an error message instead of an exception's words.</summary>
public static class InputFile
{
    /// <summary>Kernels and ramdisks beyond this are a mistake or an attack. Unit: bytes.</summary>
    public const long LargestImage = 512L << 20;

    /// <exception cref="InputException">Missing, unreadable, a folder, or larger than <paramref name="limit"/> bytes.</exception>
    public static byte[] Read(string path, long limit = LargestImage)
    {
        if (Directory.Exists(path))
            throw new InputException(path, "is a folder, a file was expected");
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (stream.CanSeek && stream.Length > limit)
                throw new InputException(path, $"has {stream.Length} bytes, at most {limit} are accepted");
            return ReadBounded(stream, path, limit);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException(path, "no such file", NearbyFile(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new InputException(path, $"cannot be read: {e.Message}");
        }
    }

    /// <summary>A device or pipe has no length: never more than the limit comes into memory.</summary>
    private static byte[] ReadBounded(FileStream stream, string path, long limit)
    {
        using MemoryStream bytes = new();
        byte[] buffer = new byte[128 * 1024];
        for (int n = stream.Read(buffer); n > 0; n = stream.Read(buffer))
        {
            if (bytes.Length + n > limit)
                throw new InputException(path, $"has more than {limit} bytes, which is the limit");
            bytes.Write(buffer, 0, n);
        }

        return bytes.ToArray();
    }

    private static string? NearbyFile(string path)
    {
        string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is null || !Directory.Exists(folder))
            return folder is null ? null : $"the folder {folder} does not exist";
        string? nearest = NearestName.Find(Path.GetFileName(path), Directory.EnumerateFileSystemEntries(folder).Take(1000).Select(f => Path.GetFileName(f)!));
        return nearest is null ? null : $"did you mean \"{nearest}\"?";
    }
}
