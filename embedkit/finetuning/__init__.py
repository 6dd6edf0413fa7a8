"""Full fine-tuning of a sentence-transformers model on labelled texts.

Every weight above the word embeddings learns, by contrast: texts of one label are drawn together,
and away from the hard negatives that embedkit's own index finds for them. What comes out is an
ordinary sentence-transformers folder, with a note of what was done and whether it helped.

Importing this package loads no library; :func:`embedkit.finetuning.run.finetune` loads torch.
"""
