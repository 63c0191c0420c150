namespace XenSim.Hypervisor.Public.Stages;

/// <summary>A declared stage at its place in the tree, with the names of the states it gives the machine.</summary>
internal sealed class StageNode<TContext>
{
    private StageNode(Stage<TContext> stage, StageNode<TContext>? parent, bool isRollback)
    {
        Stage = stage;
        Parent = parent;
        IsRollback = isRollback;
        Depth = parent is null ? 0 : parent.Depth + 1;
        Entered = parent is null ? stage.Name : $"{parent.Entered}/{stage.Name}";
        if (stage.Return is not null && stage.Calls.Count == 0)
            throw new ArgumentException($"stage {stage.Name} has work after its callees but no callees", nameof(stage));
        Calls = [.. stage.Calls.Select(c => new StageNode<TContext>(c, this, false))];
        Rollback = stage.Rollback is null ? null : new StageNode<TContext>(stage.Rollback, this, true);
    }

    public Stage<TContext> Stage { get; }

    public StageNode<TContext>? Parent { get; }

    public IReadOnlyList<StageNode<TContext>> Calls { get; }

    public StageNode<TContext>? Rollback { get; }

    public bool IsRollback { get; }

    public int Depth { get; }

    /// <summary>State in which the work before the first callee has been done; for a leaf, all its work.</summary>
    public string Entered { get; }

    /// <summary>State in which the last callee has returned and the work after it has been done.</summary>
    public string Returning => Calls.Count == 0 ? Entered : $"{Entered} (return)";

    /// <summary>State in which the function has failed and its caller (or its own rollback) is next.</summary>
    public string Failing => $"{Entered} (fail)";

    /// <summary>State in which the function's rollback is over and its failure goes on to the caller.</summary>
    public string RolledBack => $"{Entered} (rolled back)";

    public static StageNode<TContext> Build(Stage<TContext> root) => new(root, null, false);

    /// <summary>The caller's callees after this one.</summary>
    public IEnumerable<StageNode<TContext>> Following()
        => Parent is null || IsRollback ? [] : Parent.Calls.SkipWhile(c => c != this).Skip(1);

    public IEnumerable<StageNode<TContext>> SelfAndBelow()
    {
        yield return this;
        foreach (StageNode<TContext> n in Calls.SelectMany(c => c.SelfAndBelow()))
            yield return n;
        if (Rollback is not null)
        {
            foreach (StageNode<TContext> n in Rollback.SelfAndBelow())
                yield return n;
        }
    }
}
